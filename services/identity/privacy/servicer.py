"""The methods of the contract about consents, exports and erasures."""

from collections.abc import AsyncGenerator
from uuid import UUID

from services.chassis import ids, replies
from services.chassis.access import ALL
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.errors import CODE_NUMBERS, Refused
from services.chassis.idempotency import Request
from services.chassis.instants import timestamp
from services.chassis.operations import Command
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.chassis.verdicts import Verdict
from services.identity import errors as identity_errors
from services.identity import queries as identity_queries
from services.identity.groups import errors as group_errors
from services.identity.groups import queries as group_queries
from services.identity.groups.values import GROUP
from services.identity.neighbours import Neighbours
from services.identity.privacy import commands, errors, exporting, queries, requests, rules, wire
from services.identity.resolution import ERROR_DOMAIN
from services.identity.values import MEMBER, Config, Member, Status, route_key
from services.identity.vault import Vault
from services.identity.wire import SERVICE
from tessera.identity.v1 import privacy_pb2 as pb

DEFAULT_PAGE = 100
OUTDATED = CODE_NUMBERS[identity_errors.ACCOUNTS_CHANGED.code]
TRIES = 5
"""How often an erasure begins anew because an account was linked at the same time."""


class PrivacyMethods:
    """The methods of the contract about consents, exports and erasures."""

    def __init__(self, platform: Platform[Config], vault: Vault, neighbours: Neighbours) -> None:
        self._for = platform
        self._locks = vault
        self._neighbours = neighbours

    async def SetConsent(self, request: pb.SetConsentRequest, call: Call) -> Serialised:
        """A person decides."""
        return replies.unary_reply(await self._done(requests.set_consent(request, call.caller), call))

    async def BulkSetConsents(self, request: pb.BulkSetConsentsRequest, call: Call) -> Serialised:
        """Persons decide."""
        lanes = self._for.lanes
        return await replies.bulk_reply(
            request.requests,
            lambda item: requests.set_consent(item, call.caller),
            lambda commands: lanes.submit(commands, deadline=call.deadline, traceparent=current_traceparent()),
            ERROR_DOMAIN,
        )

    async def ListConsents(self, request: pb.ListConsentsRequest, call: Call) -> pb.ListConsentsResponse:
        """What a person has decided, in the domains of the caller."""
        await self._for.at_least.wait(request.at_least, call)
        member = await self._existing(request.member_id)
        tokens = self._for.page_tokens
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        after = ("", "", 0) if cursor is None else (str(cursor[0]), str(cursor[1]), int(cursor[2]))
        size = request.page_size or DEFAULT_PAGE
        visible = None if call.caller.domains is ALL else sorted(call.caller.domains)
        history = await queries.page_of_consents(
            self._for.pool, member.partition, member.member_id, after, size + 1, visible
        )
        response = pb.ListConsentsResponse(
            consents=await self._standing(member, call), history=map(wire.consent_message, history[:size])
        )
        if len(history) > size:
            last = history[size - 1]
            place = (last.domain, last.purpose, str(last.number))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def ExportMember(
        self, request: pb.ExportMemberRequest, call: Call
    ) -> AsyncGenerator[pb.ExportMemberResponse, None]:
        """Everything that is held on a member: here, and by the neighbours."""
        await self._for.at_least.wait(request.at_least, call)
        member = await self._existing(request.member_id)
        box = self._locks.member_box(member.data_key, member.member_id.bytes)
        async for own in exporting.records_of(self._for, member, box):
            yield own
        async for record in self._neighbours.export_member(request.member_id, request.at_least, call):
            yield pb.ExportMemberResponse(service=record.service, kind=record.kind, record_json=record.record_json)

    async def PreviewErasure(self, request: pb.PreviewErasureRequest, call: Call) -> pb.PreviewErasureResponse:
        """What an erasure would do, and what is in its way: first here, then with the neighbours."""
        await self._for.at_least.wait(request.at_least, call)
        member = await self._existing(request.member_id)
        response = pb.PreviewErasureResponse(blockers=await self._owned_groups(member))
        previews = await self._neighbours.preview_erasure(request.member_id, request.at_least, call)
        for service, preview in previews.items():
            response.effects.extend(wire.finding(service, effect) for effect in preview.effects)
            response.blockers.extend(wire.finding(service, blocker) for blocker in preview.blockers)
        return response

    async def EraseMember(self, request: pb.EraseMemberRequest, call: Call) -> Serialised:
        """Nothing personal is left.

        What the member has is read first, since its partitions are concerned; again when it has changed.
        """
        await self._for.at_least.wait(request.at_least, call)
        identified = requests.identified_copy(call.caller, request)
        await self._check_neighbours(request, call)
        for _ in range(TRIES):
            outcome = await self._done(await self._erasure(request, identified), call)
            if not (isinstance(outcome, Verdict) and outcome.code == OUTDATED):
                break
        return replies.unary_reply(outcome)

    async def CheckReturningMember(
        self, request: pb.CheckReturningMemberRequest, call: Call
    ) -> pb.CheckReturningMemberResponse:
        """Whether an account of the member was one of somebody who was erased."""
        await self._for.at_least.wait(request.at_least, call)
        member = await self._existing(request.member_id)
        _, config = await self._for.configurations.current(self._for.pool)
        now = await self._for.clock.now()
        keys = [
            (partition, programme, self._locks.person_key(programme, year, name))
            for partition, programme, name in await self._names(member, config)
            for year in rules.years_remembered(now)
        ]
        found = await queries.find_person_keys(self._for.pool, keys, now)
        returning = [pb.ReturningTo(programme=programme, known_until=timestamp(until)) for programme, until in found]
        return pb.CheckReturningMemberResponse(returning_to=returning)

    async def _names(self, member: Member, config: Config) -> list[tuple[int, str, bytes]]:
        """The names of a member's accounts: where each is looked up, in which programme, and what it is hashed to."""
        accounts = await identity_queries.load_accounts(self._for.pool, member.partition, [member.member_id])
        routes = [(account, route_key(account.blind_index, self._partition_count)) for account in accounts]
        return [
            (route.partition, domain.programme, route.blind_index)
            for account, route in routes
            if (domain := config.domains.get(account.domain)) is not None
        ]

    async def _standing(self, member: Member, call: Call) -> list[pb.Consent]:
        """What holds for the domains in which a member has an account or has decided, and the caller acts."""
        _, config = await self._for.configurations.current(self._for.pool)
        accounts = await identity_queries.load_accounts(self._for.pool, member.partition, [member.member_id])
        decided = await queries.load_consents(self._for.pool, member.partition, [member.member_id])
        decisions = {(consent.domain, consent.purpose): consent for consent in decided}
        domains = {account.domain for account in accounts} | {domain for domain, _ in decisions}
        return wire.standing_consents(config, sorted(filter(call.caller.may_act_in, domains)), decisions)

    async def _owned_groups(self, member: Member) -> list[pb.ErasureFinding]:
        seats = await group_queries.seats_taken(self._for.pool, member.partition, member.member_id)
        places = [(partition_of(seat.group_id, self._partition_count), seat.group_id) for seat in seats]
        owned = await queries.owned_groups(self._for.pool, places, member.member_id)
        rejections = [group_errors.group_owner(ids.encode(GROUP, group_id)) for group_id in owned]
        return [
            pb.ErasureFinding(service=SERVICE, code=rejection.reason, details=dict(rejection.metadata))
            for rejection in rejections
        ]

    async def _check_neighbours(self, request: pb.EraseMemberRequest, call: Call) -> None:
        """Refused while something is in the way. Who is erased already is not asked about: the lane has the answer."""
        partition, member_id = self._place(request.member_id)
        found = await identity_queries.load_members(self._for.pool, partition, [member_id])
        if not found or found[0].status is Status.ERASED:
            return
        previews = await self._neighbours.preview_erasure(request.member_id, request.at_least, call)
        blockers = [(service, blocker) for service, preview in previews.items() for blocker in preview.blockers]
        if blockers:
            service, first = blockers[0]
            raise Refused(errors.erasure_blocked(service, first.code, first.details, len(blockers)))

    async def _erasure(self, request: pb.EraseMemberRequest, identified: Request) -> commands.EraseMember:
        partition, member_id = self._place(request.member_id)
        pool, erased = self._for.pool, [member_id]
        return requests.erase(
            request,
            identified,
            (),
            await queries.all_accounts(pool, partition, erased),
            await queries.all_seats(pool, partition, erased),
            await queries.all_invitations(pool, partition, erased),
            self._locks,
            self._partition_count,
        )

    async def _existing(self, member_id: str) -> Member:
        """A member that was not erased."""
        partition, decoded = self._place(member_id)
        found = await identity_queries.load_members(self._for.pool, partition, [decoded])
        refusal = rules.erasure_refusal(found[0] if found else None)
        if refusal is not None:
            raise Refused(refusal)
        return found[0]

    def _place(self, member_id: str) -> tuple[int, UUID]:
        decoded = ids.decode(MEMBER, member_id)
        return partition_of(decoded, self._partition_count), decoded

    @property
    def _partition_count(self) -> int:
        return self._for.settings.partitions

    async def _done(self, command: Command, call: Call) -> Outcome:
        (outcome,) = await self._for.lanes.submit((command,), deadline=call.deadline, traceparent=current_traceparent())
        return outcome
