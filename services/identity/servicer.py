"""Serves `tessera.identity.v1.IdentityService`: message → command → lane → reply."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from services.chassis import idempotency, ids, replies
from services.chassis.access import require_domain
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.errors import Refused
from services.chassis.idempotency import Request
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.identity import commands, errors, queries, wire
from services.identity.groups import queries as group_queries
from services.identity.groups import wire as group_wire
from services.identity.groups.servicer import GroupMethods
from services.identity.identifiers import wire as identifier_wire
from services.identity.identifiers.keys import IndexKeys
from services.identity.identifiers.servicer import IdentifierMethods
from services.identity.keys.keyring import Keyring, Keys
from services.identity.keys.reopening import until_keys_fit
from services.identity.matches.servicer import MatchMethods
from services.identity.merges.servicer import MergeMethods
from services.identity.neighbours import Neighbours
from services.identity.people import People
from services.identity.privacy.servicer import PrivacyMethods
from services.identity.privacy.sight import Sight, sight_of
from services.identity.resolution import ERROR_DOMAIN, Resolver
from services.identity.rules import StatusChange
from services.identity.values import ACCOUNT, MEMBER, Config, Member, Status, route_key
from services.identity.vault import Box, Vault, new_nonce, normalised
from tessera.identity.v1 import identity_service_pb2 as pb

DEFAULT_PAGE = 100
READ_IDENTIFIERS = "identity.identifiers.read"
"""What a caller needs to see values of identifiers in full."""
NO_ID = UUID(int=0)
"""Before every ID."""


class IdentityServicer(GroupMethods, MergeMethods, PrivacyMethods, IdentifierMethods, MatchMethods):
    """The methods of the contract."""

    def __init__(
        self, platform: Platform[Config], vault: Vault, keyring: Keyring, keys: IndexKeys, neighbours: Neighbours
    ) -> None:
        self._people = People(platform.pool, platform.settings.partitions)
        GroupMethods.__init__(self, platform, vault, keyring, self._people)
        MergeMethods.__init__(self, platform, self._people, neighbours)
        PrivacyMethods.__init__(self, platform, vault, self._people, neighbours, keyring)
        IdentifierMethods.__init__(self, platform, vault, keys, self._people, keyring)
        MatchMethods.__init__(self, platform, self._people)
        self._platform = platform
        self._partitions = platform.settings.partitions
        self._vault = vault
        self._keyring = keyring
        self._resolver = Resolver(platform, vault, keyring)

    async def ResolveAccount(
        self, request: pb.ResolveAccountRequest, call: Call
    ) -> pb.ResolveAccountResponse | Serialised:
        """Account → member."""
        return await self._resolver.one(request, call)

    async def BulkResolveAccounts(self, request: pb.BulkResolveAccountsRequest, call: Call) -> Serialised:
        """Accounts → members."""
        return await self._resolver.many(request.requests, call)

    async def LinkAccount(self, request: pb.LinkAccountRequest, call: Call) -> pb.LinkAccountResponse:
        """One more account of a member."""
        (outcome,) = await self._linked([self._link(request, call)], call)
        reply = replies.unary_reply(outcome)
        response = pb.LinkAccountResponse.FromString(reply.answer)
        response.account.external_id = request.external_id
        return response

    async def BulkLinkAccounts(self, request: pb.BulkLinkAccountsRequest, call: Call) -> pb.BulkLinkAccountsResponse:
        """More accounts of members."""
        reply = await replies.bulk_reply(
            request.requests,
            lambda item: self._link(item, call),
            lambda links: self._linked(links, call),
            ERROR_DOMAIN,
        )
        response = pb.BulkLinkAccountsResponse.FromString(reply.answer)
        for item, result in zip(request.requests, response.results, strict=True):
            if result.HasField("response"):
                result.response.account.external_id = item.external_id
        return response

    async def UnlinkAccount(self, request: pb.UnlinkAccountRequest, call: Call) -> Serialised:
        """Nobody's account."""
        account_id = ids.decode(ACCOUNT, request.account_id)
        account = await queries.find_account(
            self._platform.pool, partition_of(account_id, self._partitions), account_id
        )
        if account is None:
            raise Refused(errors.ACCOUNT_UNKNOWN)
        require_domain(call.caller, account.domain)
        if not account.blind_index:
            raise Refused(errors.MEMBER_ERASED)
        validate_only = request.validate_only
        command = commands.UnlinkAccount(
            request=self._identified(call, "identity.UnlinkAccount", request),
            member_id=account.holder_id,
            account_id=account_id,
            route=route_key(account.blind_index, self._partitions),
            validate_only=validate_only,
        )
        return replies.unary_reply(await self._submit(command, call))

    async def SuspendMember(self, request: pb.SuspendMemberRequest, call: Call) -> Serialised:
        """Refused by the other services from now on."""
        return await self._change_status(StatusChange.SUSPEND, request, request.cause, call)

    async def ReinstateMember(self, request: pb.ReinstateMemberRequest, call: Call) -> Serialised:
        """Served again."""
        return await self._change_status(StatusChange.REINSTATE, request, "", call)

    async def CloseMember(self, request: pb.CloseMemberRequest, call: Call) -> Serialised:
        """Refused for good."""
        return await self._change_status(StatusChange.CLOSE, request, "", call)

    async def GetMember(self, request: pb.GetMemberRequest, call: Call) -> pb.GetMemberResponse:
        """A member with its accounts, as far as the caller may read them."""
        await self._platform.at_least.wait(request.at_least, call)
        member = await self._people.meant(ids.decode(MEMBER, request.member_id))
        if member is None:
            raise Refused(errors.MEMBER_UNKNOWN)
        if member.status is Status.ERASED:
            raise Refused(errors.MEMBER_ERASED)
        member_id = member.member_id
        homes = {member_id: member} | await self._people.find(member.homes)
        merged = await self._people.merged_into(member)
        boxes = await self._keyring.open({**homes, **{one.member_id: one for one in merged}}.values())
        sight = await self._sight([member, *merged], call)
        message = wire.member_message(member, boxes[member.member_id] if sight.reads_attributes(member_id) else None)
        message.merged_ids.extend(ids.encode(MEMBER, one.member_id) for one in merged)
        shown = [one for one in merged if sight.reads_attributes(one.member_id)]
        wire.add_attributes(message, [wire.attributes_of(one, boxes[one.member_id]) for one in shown])
        message.accounts.extend(
            wire.account_message(
                account, boxes[account.member_id] if sight.reads_external_ids(member_id, account.domain) else None
            )
            for account in await self._people.accounts(member)
        )
        seats = await group_queries.seats_taken(self._platform.pool, member.partition, member.member_id)
        message.seats.extend(map(group_wire.seat_message, seats))
        _, config = await self._platform.configurations.current(self._platform.pool)
        now, in_full = await self._platform.clock.now(), call.caller.has_permission(READ_IDENTIFIERS)
        for one in await self._people.identifiers(member, merged):
            kind = config.identifier_types.get(one.type)
            box = boxes[one.member_id] if sight.reads_identifiers(one.member_id) else None
            message.identifiers.append(identifier_wire.shown_message(one, kind, now, box, in_full=in_full))
        return pb.GetMemberResponse(member=message)

    async def ListMembers(self, request: pb.ListMembersRequest, call: Call) -> pb.ListMembersResponse:
        """Members, partition by partition, by ID."""
        tokens = self._platform.page_tokens
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        first, after = (0, NO_ID) if cursor is None else (int(cursor[0]), UUID(str(cursor[1])))
        size = request.page_size or DEFAULT_PAGE
        status = Status(request.status) if request.status else None
        members: list[Member] = []
        for partition in range(first, self._partitions):
            missing = size + 1 - len(members)
            members += await queries.page_of_members(self._platform.pool, partition, after, missing, status)
            if len(members) > size:
                break
            after = NO_ID
        page = members[:size]
        boxes = await self._boxes(page, await self._sight(page, call))
        response = pb.ListMembersResponse(members=[wire.member_message(one, boxes.get(one.member_id)) for one in page])
        if len(members) > size:
            place = (page[-1].partition, str(page[-1].member_id))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    def _link(self, request: pb.LinkAccountRequest, call: Call) -> commands.LinkAccount:
        """The command of a request. Raises Refused when the domain is closed to the caller."""
        require_domain(call.caller, request.domain)
        member_id = ids.decode(MEMBER, request.member_id)
        request.external_id = normalised(request.external_id)
        validate_only = request.validate_only
        return commands.LinkAccount(
            request=self._identified(call, "identity.LinkAccount", request),
            home=ids.routing_of(member_id),
            member_id=member_id,
            account_id=ids.new_id(ids.routing_of(member_id)),
            route=route_key(self._vault.blind_index(request.domain, request.external_id), self._partitions),
            domain=request.domain,
            external_id=request.external_id,
            nonce=new_nonce(),
            keys={},
            verified=request.verified,
            validate_only=validate_only,
        )

    async def _linked(self, links: Sequence[Any], call: Call) -> list[Outcome]:
        """What becomes of links. The members' keys are opened first."""

        async def open_keys(links: Sequence[commands.LinkAccount]) -> Keys:
            return await self._keyring.open(await self._people.survivors({one.member_id for one in links}))

        return await until_keys_fit(links, open_keys, self._platform.lanes, call)

    async def _change_status(
        self,
        change: StatusChange,
        request: pb.SuspendMemberRequest | pb.ReinstateMemberRequest | pb.CloseMemberRequest,
        cause: str,
        call: Call,
    ) -> Serialised:
        """The member's accounts are read first, since their routes are owners too, and the groups of one to be closed;
        again when they have changed."""
        member_id = ids.decode(MEMBER, request.member_id)
        validate_only = request.validate_only
        identified = self._identified(call, f"identity.{change.value}", request)

        async def command() -> commands.ChangeStatus:
            member = await self._people.meant(member_id)
            meant = member_id if member is None else member.member_id
            accounts = [] if member is None else await self._people.accounts(member)
            return commands.ChangeStatus(
                request=identified,
                home=ids.routing_of(member_id),
                member_id=meant,
                homes=frozenset() if member is None else member.homes,
                change=change,
                cause=cause,
                routes=tuple(route_key(account.blind_index, self._partitions) for account in accounts),
                validate_only=validate_only,
                group_ids=tuple(await self._people.group_ids(meant)) if change is StatusChange.CLOSE else (),
            )

        return await self._until_it_stands_still(command, call)

    async def _sight(self, members: Sequence[Member], call: Call) -> Sight:
        return await sight_of(call.caller, self._platform.pool, self._platform.configurations, members)

    async def _boxes(self, members: Sequence[Member], sight: Sight) -> dict[UUID, Box]:
        """What opens the attributes of members; of those that were erased, or may not be read, nothing does."""
        return await self._keyring.open(
            member for member in members if member.attributes and sight.reads_attributes(member.member_id)
        )

    async def _submit(self, command: commands.IdentityCommand, call: Call) -> Outcome:
        (outcome,) = await self._platform.lanes.submit(
            (command,), deadline=call.deadline, traceparent=current_traceparent()
        )
        return outcome

    def _identified(self, call: Call, method: str, message: Message) -> Request:
        return self._vault.keyed(idempotency.identify(call.caller.name, method, message))
