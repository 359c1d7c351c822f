"""Every statement on matches. Each is a row twice, one for each of its members: `owner_id` is whose it is."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.identity.identifiers.values import Strength
from services.identity.matches.values import Evidence, Match, MatchStatus

COLUMNS = """match_id, member_id, other_id, score, status, reason, policy, config_version, evidence, created_at,
        changed_at, decided_at, decided_by, cause, merge_id"""
LOAD_MATCHES = f"""
    SELECT {COLUMNS}
    FROM matches
    WHERE partition = $1
      AND owner_id = ANY($2)
"""
FIND_MATCH = f"""
    SELECT {COLUMNS}
    FROM matches
    WHERE partition = $1
      AND match_id = $2
      AND owner_id = member_id
"""
PAGE_OF_MATCHES = f"""
    SELECT {COLUMNS}
    FROM matches
    WHERE partition = $1
      AND owner_id = member_id
      AND match_id > $2
      AND ($4::text = '' OR policy = $4)
    ORDER BY match_id
    LIMIT $3
"""
PAGE_OF_MATCHES_BY_STATUS = f"""
    SELECT {COLUMNS}
    FROM matches
    WHERE partition = $1
      AND owner_id = member_id
      AND match_id > $2
      AND ($4::text = '' OR policy = $4)
      AND status = $5
    ORDER BY match_id
    LIMIT $3
"""
MATCHES_OF_MEMBERS = f"""
    SELECT DISTINCT ON (match_id) {COLUMNS}
    FROM matches
    WHERE partition = ANY($1)
      AND owner_id = ANY($2)
      AND match_id > $3
      AND ($5::text = '' OR policy = $5)
      AND ($6::int = 0 OR status = $6)
    ORDER BY match_id
    LIMIT $4
"""
TO_BE_MERGED = f"""
    SELECT {COLUMNS}
    FROM matches
    WHERE partition = ANY($1)
      AND owner_id = member_id
      AND status = $2
    ORDER BY changed_at, match_id
    LIMIT $3
"""

Reader = asyncpg.Connection | asyncpg.Pool


async def load_matches(reader: Reader, partition: int, member_ids: Sequence[UUID]) -> list[Match]:
    """The matches of members of a partition."""
    return list(map(match_of, await reader.fetch(LOAD_MATCHES, partition, member_ids)))


async def find_match(reader: Reader, partition: int, match_id: UUID) -> Match | None:
    """A match; None when there is none of this ID."""
    row = await reader.fetchrow(FIND_MATCH, partition, match_id)
    return None if row is None else match_of(row)


async def page_of_matches(
    reader: Reader, partition: int, after: UUID, limit: int, policy: str, status: int
) -> list[Match]:
    """At most `limit` matches of a partition after an ID, by ID; of a policy and of a status, where these are given."""
    if status:
        rows = await reader.fetch(PAGE_OF_MATCHES_BY_STATUS, partition, after, limit, policy, status)
    else:
        rows = await reader.fetch(PAGE_OF_MATCHES, partition, after, limit, policy)
    return list(map(match_of, rows))


async def page_of_members_matches(
    reader: Reader,
    partitions: Collection[int],
    member_ids: Collection[UUID],
    after: UUID,
    limit: int,
    policy: str,
    status: int,
) -> list[Match]:
    """The same of members alone."""
    rows = await reader.fetch(MATCHES_OF_MEMBERS, list(partitions), list(member_ids), after, limit, policy, status)
    return list(map(match_of, rows))


async def to_be_merged(reader: Reader, partitions: Collection[int], limit: int) -> list[Match]:
    """At most `limit` matches that a policy merges, those first that have waited longest."""
    rows = await reader.fetch(TO_BE_MERGED, list(partitions), MatchStatus.MERGING, limit)
    return list(map(match_of, rows))


def match_of(row: Any) -> Match:
    """The match of a row."""
    match = Match(*row)
    return match._replace(status=MatchStatus(match.status), evidence=evidence_of(row[8]))


def text_of(evidence: Iterable[Evidence]) -> str:
    """Evidence as rows keep it."""
    return json.dumps(
        [
            (one.type, str(one.identifier_id), str(one.other_identifier_id), one.strength, one.is_verified, one.weight)
            for one in evidence
        ],
        separators=(",", ":"),
    )


def evidence_of(text: str) -> tuple[Evidence, ...]:
    """The evidence of a row."""
    return tuple(
        Evidence(code, UUID(one), UUID(other), Strength(strength), is_verified, weight)
        for code, one, other, strength, is_verified, weight in json.loads(text)
    )
