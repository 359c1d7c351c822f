"""What a batch reads of identifiers: those of members, the matches of these, and who holds values."""

from collections.abc import Sequence

import asyncpg

from services.identity.commands import IdentityCommand
from services.identity.identifiers import queries
from services.identity.identifiers.commands import (
    AddIdentifier,
    Around,
    IdentifierCommand,
    OfIdentifier,
    VerifyIdentifier,
)
from services.identity.matches.commands import EvaluatePair, SettleMatch
from services.identity.matches.queries import load_matches
from services.identity.merges.commands import MergeMembers, UnmergeMember
from services.identity.privacy.commands import EraseMember
from services.identity.state import State

WithMatches = (
    AddIdentifier | OfIdentifier | Around | EvaluatePair | SettleMatch | MergeMembers | UnmergeMember | EraseMember
)
"""Commands that may make two members meet, decide on it, or end it."""
Concerning = IdentifierCommand | WithMatches
"""Commands for which it matters what members are known by."""


async def load(
    connection: asyncpg.Connection, partition: int, commands: Sequence[IdentityCommand], state: State
) -> None:
    """Read the identifiers and matches of the members that commands concern, and of those merged into them; after the
    members."""
    concerned = [command for command in commands if isinstance(command, Concerning)]
    asked = {one for command in concerned for one in command.member_ids}
    keepers = [
        one.member_id
        for one in state.members().values()
        if one.partition == partition and asked & {one.member_id, one.survivor_id}
    ]
    if keepers:
        state.identifiers.fill(await queries.load_identifiers(connection, partition, keepers), of=keepers)
    if keepers and any(isinstance(command, WithMatches) for command in concerned):
        state.matches.fill(await load_matches(connection, partition, keepers))
    values = list({one for command in commands for one in _values(command)})
    if values:
        state.identifiers.fill_holders(await queries.load_holders(connection, partition, values), of=values)


def _values(command: IdentityCommand) -> tuple[bytes, ...]:
    """The values of which it matters who holds them."""
    if isinstance(command, AddIdentifier | VerifyIdentifier):
        return command.blind_indexes
    return command.values if isinstance(command, Around | EvaluatePair) else ()
