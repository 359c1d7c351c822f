"""Work on a batch for consents and erasures: load what its commands concern, decide each."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.chassis.operations import Decided, Moment
from services.identity.commands import IdentityCommand, LinkAccount
from services.identity.matches.commands import CarryOutMatch
from services.identity.privacy import deciding, erasing, queries
from services.identity.privacy.commands import EraseMember, ForgetPersons, PrivacyCommand, SetConsent
from services.identity.privacy.values import Use
from services.identity.state import State
from services.identity.values import Config


async def load(
    connection: asyncpg.Connection, partition: int, commands: Sequence[IdentityCommand], state: State
) -> None:
    """Read what commands concern of consents and erasures in one partition. Most read nothing."""
    if deciding_members := _whose_consents(commands, state):
        state.privacy.fill(await queries.load_consents(connection, [partition], deciding_members))
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


def _whose_consents(commands: Sequence[IdentityCommand], state: State) -> list[UUID]:
    """Members whose decisions matter; stitching asks for them only where a purpose does."""
    if not _asks_before_stitching(state.config):
        return list({command.member_id for command in commands if isinstance(command, SetConsent)})
    members = {command.member_id for command in commands if isinstance(command, SetConsent | LinkAccount)}
    merging = {one for command in commands if isinstance(command, CarryOutMatch) for one in command.member_ids}
    merged = {one.member_id for one in state.members().values() if merging & {one.member_id, one.survivor_id}}
    return list(members | merged)


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
