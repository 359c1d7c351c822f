"""The methods of the contract about groups."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from services.chassis import ids, replies
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.errors import CODE_NUMBERS, Refused
from services.chassis.operations import Command
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.chassis.verdicts import Verdict
from services.identity import errors as identity_errors
from services.identity.groups import commands, errors, queries, requests, rules, wire
from services.identity.groups.values import Group, Invitation
from services.identity.keys.keyring import Keyring, Keys
from services.identity.keys.reopening import until_keys_fit
from services.identity.people import People
from services.identity.resolution import ERROR_DOMAIN
from services.identity.values import MEMBER, Config, Status
from services.identity.vault import Vault
from tessera.identity.v1 import group_pb2 as pb

DEFAULT_PAGE = 100
TRIES = 5
"""How often a command on a whole group begins anew because the group changed at the same time."""
NO_ID = UUID(int=0)
"""Before every ID."""


class GroupMethods:
    """The methods of the contract about groups."""

    def __init__(self, platform: Platform[Config], vault: Vault, keyring: Keyring, people: People) -> None:
        self._of = platform
        self._opener = keyring
        self._folk = people
        self._keys = vault

    async def CreateGroup(self, request: pb.CreateGroupRequest, call: Call) -> pb.CreateGroupResponse:
        """Found a group."""
        command = requests.create(request, call.caller, self._keys)
        (outcome,) = await until_keys_fit([command], self._keys_to_join, self._of.lanes, call)
        reply = replies.unary_reply(outcome)
        return wire.with_texts(pb.CreateGroupResponse(), reply, "seat", request.label, request.cost_centre)

    async def InviteToGroup(self, request: pb.InviteToGroupRequest, call: Call) -> pb.InviteToGroupResponse:
        """Ask a member to join."""
        reply = await self._one(requests.invite(request, call.caller), call)
        return wire.with_texts(pb.InviteToGroupResponse(), reply, "invitation", request.label, request.cost_centre)

    async def BulkInviteToGroup(self, request: pb.BulkInviteToGroupRequest, call: Call) -> pb.BulkInviteToGroupResponse:
        """Ask many."""
        reply = await replies.bulk_reply(
            request.requests,
            lambda item: requests.invite(item, call.caller),
            lambda commands: self._of.lanes.submit(commands, deadline=call.deadline, traceparent=current_traceparent()),
            ERROR_DOMAIN,
        )
        response = pb.BulkInviteToGroupResponse.FromString(reply.answer)
        for item, result in zip(request.requests, response.results, strict=True):
            if result.HasField("response"):
                made = result.response.invitation
                made.label, made.cost_centre = item.label, item.cost_centre
        return response

    async def AcceptInvitation(self, request: pb.AcceptInvitationRequest, call: Call) -> pb.AcceptInvitationResponse:
        """Join."""
        invitation = await self._invitation(request.invitation_id)
        command = requests.accept(request, call.caller, invitation.group_id, self._keys)
        (outcome,) = await until_keys_fit([command], self._keys_to_join, self._of.lanes, call)
        reply = replies.unary_reply(outcome)
        return wire.with_texts(pb.AcceptInvitationResponse(), reply, "seat", invitation.label, invitation.cost_centre)

    async def DeclineInvitation(self, request: pb.DeclineInvitationRequest, call: Call) -> Serialised:
        """Do not join."""
        invitation = await self._invitation(request.invitation_id)
        return await self._one(requests.decline(request, call.caller, invitation.group_id), call)

    async def CancelInvitation(self, request: pb.CancelInvitationRequest, call: Call) -> Serialised:
        """Take an invitation back."""
        invitation = await self._invitation(request.invitation_id)
        command = requests.cancel(request, call.caller, invitation.group_id, invitation.member_id)
        return await self._one(command, call)

    async def LeaveGroup(self, request: pb.LeaveGroupRequest, call: Call) -> Serialised:
        """Leave."""
        return await self._one(requests.leave(request, call.caller), call)

    async def RemoveFromGroup(self, request: pb.RemoveFromGroupRequest, call: Call) -> Serialised:
        """Take a member out."""
        return await self._one(requests.remove(request, call.caller), call)

    async def ChangeRole(self, request: pb.ChangeRoleRequest, call: Call) -> pb.ChangeRoleResponse:
        """Give another role."""
        reply = await self._one(requests.change_role(request, call.caller), call)
        return wire.with_texts(pb.ChangeRoleResponse(), reply, "seat", request.label, request.cost_centre)

    async def TransferGroupOwnership(self, request: pb.TransferGroupOwnershipRequest, call: Call) -> Serialised:
        """Pass on ownership. The owner is read first, since its partition is concerned; again when it has changed."""
        requests.acting(request.acting_member_id, call.caller)
        identified = requests.identified_copy(call.caller, "TransferGroupOwnership", request)

        async def command() -> Command:
            group = await self._group(request.group_id)
            return requests.transfer(request, identified, group.owner_id)

        return await self._until_it_stands_still(command, call)

    async def DissolveGroup(self, request: pb.DissolveGroupRequest, call: Call) -> Serialised:
        """End a group. Who is concerned is read first, since their partitions are, too; again when that has changed."""
        requests.acting(request.acting_member_id, call.caller)
        identified = requests.identified_copy(call.caller, "DissolveGroup", request)

        async def command() -> Command:
            concerned = await self._concerned(requests.group_of(request.group_id))
            return requests.dissolve(request, identified, concerned)

        return await self._until_it_stands_still(command, call)

    async def GetGroup(self, request: pb.GetGroupRequest, call: Call) -> pb.GetGroupResponse:
        """A group and how its seats are taken."""
        await self._of.at_least.wait(request.at_least, call)
        group = await self._group(request.group_id)
        seats = await queries.seats_taken(self._of.pool, self._partition(group.group_id), group.group_id)
        _, config = await self._of.configurations.current(self._of.pool)
        kind = config.group_kinds.get(group.kind)
        return pb.GetGroupResponse(
            group=wire.group_message(group),
            roles=wire.role_messages(kind, seats),
            complete=bool(seats) and rules.is_complete(kind, seats),
        )

    async def ListGroupMembers(self, request: pb.ListGroupMembersRequest, call: Call) -> pb.ListGroupMembersResponse:
        """The seats of a group, by ID."""
        await self._of.at_least.wait(request.at_least, call)
        group = await self._group(request.group_id)
        tokens = self._of.page_tokens
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        size = request.page_size or DEFAULT_PAGE
        seats = await queries.page_of_seats(
            self._of.pool,
            self._partition(group.group_id),
            group.group_id,
            UUID(str(cursor[0])) if cursor else NO_ID,
            size + 1,
            include_former=request.include_former,
        )
        response = pb.ListGroupMembersResponse(seats=map(wire.seat_message, seats[:size]))
        if len(seats) > size:
            place = (str(seats[size - 1].seat_id),)
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def ListInvitations(self, request: pb.ListInvitationsRequest, call: Call) -> pb.ListInvitationsResponse:
        """The invitations of a group or a member, by ID, each as far as it is now."""
        await self._of.at_least.wait(request.at_least, call)
        owner_id = await self._inviter_or_invited(request)
        tokens = self._of.page_tokens
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        size, now = request.page_size or DEFAULT_PAGE, await self._of.clock.now()
        invitations = await queries.page_of_invitations(
            self._of.pool,
            self._partition(owner_id),
            owner_id,
            UUID(str(cursor[0])) if cursor else NO_ID,
            size + 1,
            request.status,
            now,
        )
        response = pb.ListInvitationsResponse(
            invitations=[wire.invitation_message(one, rules.status_at(one, now)) for one in invitations[:size]]
        )
        if len(invitations) > size:
            place = (str(invitations[size - 1].invitation_id),)
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def _inviter_or_invited(self, request: pb.ListInvitationsRequest) -> UUID:
        """Whose invitations are listed; refused for nobody's."""
        if request.group_id:
            return (await self._group(request.group_id)).group_id
        member_id = ids.decode(MEMBER, request.member_id)
        member = await self._folk.meant(member_id)
        if member is None:
            raise Refused(identity_errors.MEMBER_UNKNOWN)
        if member.status is Status.ERASED:
            raise Refused(identity_errors.MEMBER_ERASED)
        return member.member_id

    async def _keys_to_join(
        self, joining: Sequence[commands.CreateGroup] | Sequence[commands.AcceptInvitation]
    ) -> Keys:
        """What opens attributes and identifiers of the members that commands mean."""
        return await self._opener.open(await self._folk.families({one.member_id for one in joining}))

    async def _group(self, group_id: str) -> Group:
        found = requests.group_of(group_id)
        group = await queries.find_group(self._of.pool, self._partition(found), found)
        if group is None:
            raise Refused(errors.GROUP_UNKNOWN)
        return group

    async def _invitation(self, invitation_id: str) -> Invitation:
        """Whose an invitation is; that never changes."""
        asked = requests.invitation_of(invitation_id)
        invitation = await queries.find_invitation(self._of.pool, self._partition(asked), asked)
        if invitation is None:
            raise Refused(errors.INVITATION_UNKNOWN)
        return invitation

    async def _concerned(self, group_id: UUID) -> tuple[UUID, ...]:
        """Who is in a group, and who is asked to join."""
        partition = self._partition(group_id)
        seats = await queries.seats_taken(self._of.pool, partition, group_id)
        invitations = await queries.open_invitations(self._of.pool, partition, group_id)
        return tuple({*(seat.member_id for seat in seats), *(one.member_id for one in invitations)})

    def _partition(self, owner_id: UUID) -> int:
        return partition_of(owner_id, self._of.settings.partitions)

    async def _until_it_stands_still(self, command: Callable[[], Awaitable[Command]], call: Call) -> Serialised:
        """Submit a command, made anew when the group changed between its making and the locks."""
        for _ in range(TRIES):
            outcome = await self._outcome(await command(), call)
            if not (isinstance(outcome, Verdict) and outcome.code == CODE_NUMBERS[errors.GROUP_CHANGED.code]):
                break
        return replies.unary_reply(outcome)

    async def _one(self, command: Command, call: Call) -> Serialised:
        return replies.unary_reply(await self._outcome(command, call))

    async def _outcome(self, command: Command, call: Call) -> Outcome:
        (outcome,) = await self._of.lanes.submit((command,), deadline=call.deadline, traceparent=current_traceparent())
        return outcome
