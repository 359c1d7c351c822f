"""Groups' work on a batch: load what its commands concern, decide each."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.chassis.operations import Decided, Moment
from services.chassis.reading import Reading
from services.identity.commands import ChangeStatus, IdentityCommand
from services.identity.groups import belonging, joining, queries
from services.identity.groups.commands import (
    AcceptInvitation,
    CancelInvitation,
    ChangeRole,
    CreateGroup,
    DeclineInvitation,
    DissolveGroup,
    ExpireInvitation,
    GroupCommand,
    InviteToGroup,
    LeaveGroup,
    OfGroup,
    OfInvited,
    RemoveFromGroup,
    TransferGroupOwnership,
)
from services.identity.merges.commands import MergeCommand
from services.identity.privacy.commands import EraseMember
from services.identity.rules import StatusChange
from services.identity.state import State
from services.identity.values import Config


async def load(
    connection: asyncpg.Connection, partition: int, commands: Sequence[IdentityCommand], state: State
) -> None:
    """Read what commands concern of groups in one partition; what lives in others is not found. Most read nothing."""
    groups = {command.group_id for command in commands if isinstance(command, OfGroup)}
    members = {one for command in commands if isinstance(command, GroupCommand) for one in command.member_ids}
    asked: set[UUID] = set()
    for command in commands:
        if isinstance(command, ChangeStatus) and command.change is StatusChange.CLOSE:
            groups.update(command.group_ids)
            members.add(command.member_id)
        if isinstance(command, EraseMember):
            groups.update(command.group_ids)
            members.update(command.member_ids)
        if isinstance(command, MergeCommand):
            groups.update(command.concerned.group_ids)
            members.update(command.member_ids)
            asked.update(command.member_ids)
    if not groups and not members:
        return
    invitations = {command.invitation_id for command in commands if isinstance(command, OfInvited | CancelInvitation)}
    reading = Reading(connection, partition)
    queries.read(reading, state.groups, list(groups), list(members), list(invitations), list(asked))
    await reading.run()


def decide(state: State, command: GroupCommand, moment: Moment[Config]) -> Decided:
    """Decide one command on groups."""
    match command:
        case CreateGroup():
            return joining.create(state, command, moment)
        case InviteToGroup():
            return joining.invite(state, command, moment)
        case AcceptInvitation():
            return joining.accept(state, command, moment)
        case DeclineInvitation():
            return joining.decline(state, command, moment)
        case CancelInvitation():
            return joining.cancel(state, command, moment)
        case ExpireInvitation():
            return joining.expire(state, command, moment)
        case LeaveGroup():
            return belonging.leave(state, command, moment)
        case RemoveFromGroup():
            return belonging.remove(state, command, moment)
        case ChangeRole():
            return belonging.change_role(state, command, moment)
        case TransferGroupOwnership():
            return belonging.transfer(state, command, moment)
        case DissolveGroup():
            return belonging.dissolve(state, command, moment)
    raise TypeError(f"not a command on groups: {type(command).__name__}")
