"""Work on a batch for consents and erasures: load what its commands concern, decide each."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.chassis.operations import Decided, Moment
from services.identity.commands import Homes, IdentityCommand, LinkAccount
from services.identity.merges.commands import MergeMembers
from services.identity.privacy import deciding, erasing, queries
from services.identity.privacy.commands import EraseMember, ForgetPersons, PrivacyCommand, SetConsent
from services.identity.privacy.values import Use
from services.identity.state import State
from services.identity.values import Config


async def load(
    connection: asyncpg.Connection, partition: int, commands: Sequence[IdentityCommand], state: State
) -> None:
    """Read what commands concern of consents and erasures in one partition. Most read nothing."""
    asked = {command.member_id for command in commands if isinstance(command, SetConsent)}
    if joined := stitched(commands, state.config):
        asked |= joined
        asked |= {one.member_id for one in state.members().values() if one.survivor_id in joined}
    if asked:
        state.privacy.fill(await queries.load_consents(connection, [partition], list(asked)))
    for command in commands:
        if isinstance(command, EraseMember):
            await _load_erasure(connection, partition, command, state)
    keys = [key for command in commands if isinstance(command, ForgetPersons) for key in command.person_keys]
    if keys:
        state.privacy.fill(person_keys=await queries.load_person_keys(connection, partition, keys))


async def _load_erasure(connection: asyncpg.Connection, partition: int, command: EraseMember, state: State) -> None:
    """Everything that members have and had: erasures are rare, and each is read for itself."""
    place, members = [partition], command.member_ids
    owners = (*members, *command.group_ids)
    state.privacy.fill(
        accounts=await queries.all_accounts(connection, place, members, command.account_ids),
        seats=await queries.all_seats(connection, place, owners, members),
        invitations=await queries.all_invitations(connection, place, owners, members),
    )


def stitched(commands: Sequence[IdentityCommand], config: Config) -> set[UUID]:
    """Members whose accounts are to be one member's; none where no purpose asks before that."""
    if not _asks_before_stitching(config):
        return set()
    linked = {command.member_id for command in commands if isinstance(command, LinkAccount | Homes)}
    merges = [command for command in commands if isinstance(command, MergeMembers)]
    return linked | {one for command in merges for one in (command.survivor_id, command.merged_id)}


def _asks_before_stitching(config: Config) -> bool:
    return any(Use.STITCHING in purpose.needed_for for purpose in config.purposes.values())


def decide(state: State, command: PrivacyCommand, moment: Moment[Config]) -> Decided:
    """Decide one command on consents and erasures."""
    match command:
        case SetConsent():
            return deciding.set_consent(state, command, moment)
        case EraseMember():
            return erasing.erase(state, command, moment)
        case ForgetPersons():
            return erasing.forget(state, command, moment)
