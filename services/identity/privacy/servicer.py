"""The methods of the contract about consents, exports and erasures."""

from collections.abc import AsyncGenerator, Iterable
from uuid import UUID

from grpc import RpcError

from services.chassis import idempotency, ids, replies
from services.chassis.access import ALL
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.errors import CODE_NUMBERS, Refused, Rejection, from_status
from services.chassis.idempotency import Request
from services.chassis.instants import timestamp
from services.chassis.operations import Command
from services.chassis.replies import Serialised
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.chassis.verdicts import OK, Verdict
from services.identity import errors as identity_errors
from services.identity.keys.keyring import Keyring
from services.identity.merges import errors as merge_errors
from services.identity.neighbours import Neighbours
from services.identity.people import People
from services.identity.privacy import errors, exporting, queries, requests, rules, wire
from services.identity.privacy.making import Making
from services.identity.privacy.values import Consent
from services.identity.resolution import ERROR_DOMAIN
from services.identity.values import MEMBER, Config, Member, Status, route_key
from services.identity.vault import Box, Vault
from tessera.identity.v1 import privacy_pb2 as pb
from tessera.records.v1 import member_records_pb2 as records_pb
from tessera.type.v1 import position_pb2

DEFAULT_PAGE = 100
OUTDATED = CODE_NUMBERS[identity_errors.ACCOUNTS_CHANGED.code]
TRIES = 5
"""How often an erasure begins anew because an account was linked at the same time."""


class PrivacyMethods:
    """The methods of the contract about consents, exports and erasures."""

    def __init__(
        self, platform: Platform[Config], vault: Vault, people: People, neighbours: Neighbours, keyring: Keyring
    ) -> None:
        self._for = platform
        self._locks = vault
        self._bunch = keyring
        self._humans = people
        self._others = neighbours
        self._erasures = Making(platform.pool, platform.settings.partitions, people, vault)

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
        """Everything that is held on a member: here, and by the neighbours, one after the other."""
        await self._for.at_least.wait(request.at_least, call)
        member = await self._existing(request.member_id)
        members = [member, *await self._humans.merged_into(member)]
        async for own in exporting.records_of(self._for, members, await self._boxes_of(members)):
            yield own
        asked = records_pb.ExportMemberRequest(member_id=request.member_id, at_least=request.at_least)
        for service in self._others.names:
            async with self._others.stub(service) as stub:
                try:
                    async for record in stub.ExportMember(asked, **self._others.options(call)):
                        yield pb.ExportMemberResponse(
                            service=record.service, kind=record.kind, record_json=record.record_json
                        )
                except RpcError as error:
                    raise Refused(merge_errors.neighbour_unavailable(service)) from error

    async def PreviewErasure(self, request: pb.PreviewErasureRequest, call: Call) -> pb.PreviewErasureResponse:
        """What an erasure would do, and what is in its way: first here, then with the neighbours."""
        await self._for.at_least.wait(request.at_least, call)
        await self._existing(request.member_id)
        response = pb.PreviewErasureResponse()
        unused = idempotency.identify_body(call.caller.name, call.method, "", b"")
        blocker = _refusal_of(await self._erased(request.member_id, unused, call, validate_only=True))
        if blocker is not None:
            response.blockers.append(wire.own_blocker(blocker))
        for service, preview in (await self._previews(request.member_id, request.at_least, call)).items():
            response.effects.extend(wire.finding(service, effect) for effect in preview.effects)
            response.blockers.extend(wire.finding(service, found) for found in preview.blockers)
        return response

    async def EraseMember(self, request: pb.EraseMemberRequest, call: Call) -> Serialised:
        """Nothing personal is left. Who is erased already is not asked about: the lane has the answer."""
        await self._for.at_least.wait(request.at_least, call)
        identified = requests.identified_copy(call.caller, request)
        member = await self._humans.meant(ids.decode(MEMBER, request.member_id))
        if member is not None and member.status is not Status.ERASED:
            previews = await self._previews(request.member_id, request.at_least, call)
            blockers = [(service, blocker) for service, preview in previews.items() for blocker in preview.blockers]
            if blockers:
                service, first = blockers[0]
                raise Refused(errors.erasure_blocked(service, first.code, first.details, len(blockers)))
        outcome = await self._erased(request.member_id, identified, call, validate_only=request.validate_only)
        return replies.unary_reply(outcome)

    async def CheckReturningMember(
        self, request: pb.CheckReturningMemberRequest, call: Call
    ) -> pb.CheckReturningMemberResponse:
        """Whether an account of the member was one of somebody who was erased."""
        await self._for.at_least.wait(request.at_least, call)
        accounts = await self._humans.accounts(await self._existing(request.member_id))
        _, config = await self._for.configurations.current(self._for.pool)
        now = await self._for.clock.now()
        keys = [
            (route.partition, domain.programme, self._locks.person_key(domain.programme, year, route.blind_index))
            for account in accounts
            if (domain := config.domains.get(account.domain)) is not None
            for route in [route_key(account.blind_index, self._for.settings.partitions)]
            for year in rules.years_remembered(now)
        ]
        found = await queries.find_person_keys(self._for.pool, keys, now)
        returning = [pb.ReturningTo(programme=programme, known_until=timestamp(until)) for programme, until in found]
        return pb.CheckReturningMemberResponse(returning_to=returning)

    async def _standing(self, member: Member, call: Call) -> list[pb.Consent]:
        """What holds for the domains in which a member has an account or has decided, and the caller acts."""
        _, config = await self._for.configurations.current(self._for.pool)
        accounts = await self._humans.accounts(member)
        members = [member, *await self._humans.merged_into(member)]
        places = {one.partition for one in members}
        by_member: dict[UUID, dict[tuple[str, str], Consent]] = {one.member_id: {} for one in members}
        for consent in await queries.load_consents(self._for.pool, places, list(by_member)):
            by_member[consent.member_id][consent.domain, consent.purpose] = consent
        decisions = rules.united(by_member.pop(member.member_id), by_member.values())
        domains = {account.domain for account in accounts} | {domain for domain, _ in decisions}
        return wire.standing_consents(config, sorted(filter(call.caller.may_act_in, domains)), decisions)

    async def _previews(
        self, member_id: str, at_least: Iterable[position_pb2.Position], call: Call
    ) -> dict[str, records_pb.PreviewErasureResponse]:
        asked = records_pb.PreviewErasureRequest(member_id=member_id, at_least=at_least)
        return await self._others.ask(lambda stub: stub.PreviewErasure(asked, **self._others.options(call)))

    async def _erased(self, member_id: str, identified: Request, call: Call, *, validate_only: bool) -> Outcome:
        """Submit an erasure, made anew when somebody changed between its making and the locks."""
        sent_id = ids.decode(MEMBER, member_id)
        for _ in range(TRIES):
            command = await self._erasures.erasure(identified, sent_id, validate_only=validate_only)
            outcome = await self._done(command, call)
            if not (isinstance(outcome, Verdict) and outcome.code == OUTDATED):
                break
        if not validate_only:
            self._bunch.drop(command.member_ids)
        return outcome

    async def _boxes_of(self, members: Iterable[Member]) -> dict[UUID, Box]:
        """What opens the data of members, and that of accounts which they hold of others."""
        found = {member.member_id: member for member in members}
        homes = frozenset[UUID]().union(*(member.homes for member in found.values()))
        found |= await self._humans.find(homes - found.keys())
        return await self._bunch.open(found.values())

    async def _existing(self, member_id: str) -> Member:
        """Whom an ID means, if that was not erased."""
        member = await self._humans.meant(ids.decode(MEMBER, member_id))
        refusal = rules.erasure_refusal(member)
        if refusal is not None or member is None:
            raise Refused(refusal or identity_errors.MEMBER_UNKNOWN)
        return member

    async def _done(self, command: Command, call: Call) -> Outcome:
        (outcome,) = await self._for.lanes.submit((command,), deadline=call.deadline, traceparent=current_traceparent())
        return outcome


def _refusal_of(outcome: Outcome) -> Rejection | None:
    """Why something would be refused; raises what is neither a refusal nor an answer."""
    if not isinstance(outcome, Verdict):
        raise outcome
    return None if outcome.code == OK else from_status(outcome.status())
