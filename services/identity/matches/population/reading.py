"""Reads all members into pages of pairs that share something. A page is in memory, and no more."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.chassis.app import Platform
from services.identity.identifiers.values import Holder
from services.identity.matches import rules
from services.identity.matches.population import queries
from services.identity.matches.population.queries import Pair
from services.identity.matches.values import Evidence, Match, MatchPolicy, MatchStatus, Outcome
from services.identity.values import Config, Status
from tessera.identity.v1 import match_pb2 as pb

PAGE = 1_000
"""Pairs that are judged together."""
NO_PAIR = (UUID(int=0), UUID(int=0))
"""Before every pair."""


class Judged(NamedTuple):
    """Two members as policies judge them."""

    pair: Pair
    outcome: Outcome
    conclusion: tuple[MatchStatus, str] | None
    """What is to become of them, and why; None when it stays as it is."""
    known: Sequence[Match]
    values: tuple[bytes, ...]
    """That they share, as they are hashed."""


class Population:
    """All members there are, as policies see them, on a connection of its own."""

    def __init__(
        self,
        platform: Platform[Config],
        connection: asyncpg.Connection,
        config: Config,
        policies: Sequence[MatchPolicy],
    ) -> None:
        self._platform = platform
        self._connection = connection
        self._config = config
        self._policies = policies
        self.members = 0
        """Members that are active or suspended; known when all was read."""
        self.progress = pb.MatchProgress(partitions_total=platform.settings.partitions)

    async def read(self) -> AsyncIterator[pb.MatchProgress]:
        """Read everything, partition by partition, telling after each how far it is."""
        partitions, types = range(self.progress.partitions_total), rules.types_that_count(self._policies)
        names = rules.real_name_types(self._config)
        await queries.prepare(self._connection)
        for partition in partitions:
            await queries.read_led(self._connection, partition)
            self.members += await queries.count_members(self._connection, partition)
        for partition in partitions:
            await queries.read_values(self._connection, partition, types, names)
            self.progress.partitions += 1
            yield self.progress
        self.progress.pairs_total = await queries.count_pairs(self._connection)

    async def pages(self) -> AsyncIterator[list[Judged]]:
        """All pairs that share something, judged, page by page."""
        after = NO_PAIR
        while rows := await queries.page_of_shared(self._connection, after, PAGE):
            judged = await self._judged(rows)
            after = judged[-1].pair
            self.progress.pairs += len(judged)
            yield judged

    async def forsaken(self) -> AsyncIterator[list[Pair]]:
        """Pairs that are matches and share nothing any more, page by page."""
        after = NO_PAIR
        while pairs := await queries.page_of_forsaken(self._connection, after, PAGE):
            yield pairs
            after = pairs[-1]

    async def note_merging(self, pairs: Sequence[Pair]) -> None:
        """Note pairs that would be merged."""
        await queries.note_merging(self._connection, pairs)

    async def count_absorbed(self) -> int:
        """How many members would no longer stand for themselves, if all was merged that was noted."""
        return await queries.count_absorbed(self._connection)

    async def _judged(self, rows: Sequence[Any]) -> list[Judged]:
        pairs = {pair: list(shared) for pair, shared in groupby(rows, key=lambda row: (row[0], row[1]))}
        member_ids = {one for pair in pairs for one in pair}
        names: dict[UUID, list[rules.Name]] = {}
        for member_id, code, value in await queries.names_of(self._connection, member_ids):
            names.setdefault(member_id, []).append((code, value))
        known: dict[Pair, list[Match]] = {}
        for pair, match in await queries.known_of(self._connection, list(pairs)):
            known.setdefault(pair, []).append(match)
        statuses = await queries.statuses_of(self._connection, member_ids)
        at = await self._platform.clock.now()
        return [
            self._judge(pair, _evidence(shared, self._config, at), shared, names, known.get(pair, []), statuses)
            for pair, shared in pairs.items()
        ]

    def _judge(
        self,
        pair: Pair,
        evidence: Sequence[Evidence],
        shared: Iterable[Any],
        names: Mapping[UUID, list[rules.Name]],
        known: Sequence[Match],
        statuses: Mapping[UUID, Status],
    ) -> Judged:
        differ = rules.differing_name(names.get(pair[0], ()), names.get(pair[1], ())) is not None
        outcome = rules.judged(self._policies, evidence, names_differ=differ)
        held = [statuses.get(one, Status.ACTIVE) for one in pair]
        values = tuple(sorted({row["blind_index"] for row in shared}))
        return Judged(pair, outcome, rules.concluded(outcome, known, held), known, values)


def _evidence(shared: Iterable[Any], config: Config, at: Any) -> list[Evidence]:
    """What values say that two members share: one of each."""
    return [
        rules.strongest(rules.evidence_of(config.identifier_types.get(row["type"]), *_holders(row), at) for row in rows)
        for _, rows in groupby(shared, key=lambda row: row["blind_index"])
    ]


def _holders(row: Any) -> tuple[Holder, Holder]:
    one = Holder(
        0, row["blind_index"], row["identifier_id"], row["member_id"], row["type"], row["is_demoted"],
        row["verified_at"], None,
    )  # fmt: skip
    other = one._replace(
        identifier_id=row["other_identifier_id"],
        member_id=row["other_id"],
        is_demoted=row["other_is_demoted"],
        verified_at=row["other_verified_at"],
    )
    return one, other
