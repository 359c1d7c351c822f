"""Merges' work on a batch: load what its commands concern, decide each."""

from collections.abc import Sequence

import asyncpg

from services.chassis.operations import Decided, Moment
from services.identity.commands import IdentityCommand
from services.identity.merges import merging, queries, unmerging
from services.identity.merges.commands import MergeCommand, MergeMembers, UnmergeMember
from services.identity.state import State
from services.identity.values import Config


async def load(
    connection: asyncpg.Connection, partition: int, commands: Sequence[IdentityCommand], state: State
) -> None:
    """Read the merges that commands concern in one partition. Most batches have none."""
    merge_ids = {command.merge_id for command in commands if isinstance(command, UnmergeMember)}
    if merge_ids:
        state.merges.fill(await queries.load_merges(connection, partition, list(merge_ids)))


def decide(state: State, command: MergeCommand, moment: Moment[Config]) -> Decided:
    """Decide one command on merges."""
    if isinstance(command, MergeMembers):
        return merging.merge(state, command, moment)
    return unmerging.unmerge(state, command, moment)
