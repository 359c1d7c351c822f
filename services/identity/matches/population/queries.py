"""Every statement that looks at all members. Tables are read partition by partition into temporary ones of a
connection of its own: what a value says stands in the partition of the value, and a pair of members may share values
of several."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.identity.matches.queries import COLUMNS, match_of
from services.identity.matches.values import MAX_HOLDERS, Match, MatchReason, MatchStatus
from services.identity.values import Status

_PREPARE = f"""
    CREATE TEMP TABLE led (member_id uuid PRIMARY KEY, leads_to uuid NOT NULL, status smallint NOT NULL);
    CREATE TEMP TABLE shared (
        member_id uuid, other_id uuid, blind_index bytea, type text, identifier_id uuid, other_identifier_id uuid,
        is_demoted boolean, other_is_demoted boolean, verified_at timestamptz, other_verified_at timestamptz
    );
    CREATE TEMP TABLE names (member_id uuid, type text, blind_index bytea);
    CREATE TEMP TABLE known AS
        SELECT NULL::uuid AS one_id, NULL::uuid AS two_id, {COLUMNS} FROM matches WHERE false;
    CREATE TEMP TABLE merging (member_id uuid, other_id uuid)
"""
_READ_LED = """
    INSERT INTO led
    SELECT member_id, coalesce(survivor_id, member_id), status
    FROM members
    WHERE partition = $1
      AND status <> $2
"""
_COUNT_MEMBERS = """
    SELECT count(*)
    FROM members
    WHERE partition = $1
      AND status = ANY($2)
"""
# A value that one member holds, or too many, says nothing.
_READ_SHARED = """
    INSERT INTO shared
    WITH held AS (
        SELECT h.blind_index, h.type, h.identifier_id, h.is_demoted, h.verified_at,
               coalesce(led.leads_to, h.member_id) AS member_id,
               count(*) OVER (PARTITION BY h.blind_index) AS holders
        FROM identifier_holders AS h
        LEFT JOIN led ON led.member_id = h.member_id
        WHERE h.partition = $1
          AND h.removed_at IS NULL
          AND h.type = ANY($2)
    ), telling AS (
        SELECT *
        FROM held
        WHERE holders BETWEEN 2 AND $3
    )
    SELECT one.member_id, other.member_id, one.blind_index, one.type, one.identifier_id, other.identifier_id,
           one.is_demoted, other.is_demoted, one.verified_at, other.verified_at
    FROM telling AS one
    JOIN telling AS other ON other.blind_index = one.blind_index AND other.member_id > one.member_id
"""
_READ_NAMES = """
    INSERT INTO names
    SELECT coalesce(led.leads_to, i.member_id), i.type, i.blind_index
    FROM identifiers AS i
    LEFT JOIN led ON led.member_id = i.member_id
    WHERE i.partition = $1
      AND i.type = ANY($2)
      AND i.verified_at IS NOT NULL
      AND i.removed_at IS NULL
"""
_READ_KNOWN = f"""
    INSERT INTO known
    SELECT least(one_id, two_id), greatest(one_id, two_id), {COLUMNS}
    FROM (
        SELECT coalesce(one.leads_to, m.member_id) AS one_id, coalesce(two.leads_to, m.other_id) AS two_id, m.*
        FROM matches AS m
        LEFT JOIN led AS one ON one.member_id = m.member_id
        LEFT JOIN led AS two ON two.member_id = m.other_id
        WHERE m.partition = $1
          AND m.owner_id = m.member_id
    ) AS pair
"""
_INDEX = """
    CREATE INDEX ON shared (member_id, other_id);
    CREATE INDEX ON names (member_id);
    CREATE INDEX ON known (one_id, two_id);
    ANALYZE shared;
    ANALYZE names;
    ANALYZE known
"""
_COUNT_PAIRS = """
    SELECT count(*)
    FROM (SELECT DISTINCT member_id, other_id FROM shared) AS pairs
"""
_PAGE = """
    WITH page AS (
        SELECT DISTINCT member_id, other_id
        FROM shared
        WHERE (member_id, other_id) > ($1, $2)
        ORDER BY member_id, other_id
        LIMIT $3
    )
    SELECT shared.*
    FROM page
    JOIN shared USING (member_id, other_id)
    ORDER BY member_id, other_id, blind_index
"""
_NAMES_OF = """
    SELECT member_id, type, blind_index
    FROM names
    WHERE member_id = ANY($1)
"""
_STATUSES_OF = """
    SELECT member_id, status
    FROM led
    WHERE member_id = ANY($1)
"""
_KNOWN_OF = f"""
    SELECT one_id, two_id, {COLUMNS}
    FROM unnest($1::uuid[], $2::uuid[]) AS pair (one_id, two_id)
    JOIN known USING (one_id, two_id)
"""
_PAGE_OF_FORSAKEN = """
    SELECT DISTINCT one_id, two_id
    FROM known
    WHERE (one_id, two_id) > ($1, $2)
      AND one_id <> two_id
      AND (status = ANY($4) OR status = $5 AND reason <> $6)
      AND NOT EXISTS (SELECT FROM shared WHERE member_id = one_id AND other_id = two_id)
    ORDER BY one_id, two_id
    LIMIT $3
"""
_NOTE_MERGING = """
    INSERT INTO merging
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[])
"""
_LABEL = """
    CREATE TEMP TABLE label AS
        SELECT member_id, member_id AS label FROM merging
        UNION
        SELECT other_id, other_id FROM merging;
    CREATE INDEX ON label (member_id);
    CREATE TEMP TABLE meets AS
        SELECT member_id, other_id FROM merging
        UNION ALL
        SELECT other_id, member_id FROM merging;
    CREATE INDEX ON meets (member_id);
    ANALYZE label;
    ANALYZE meets
"""
# Everybody takes the least label among those that they merge with, until nobody finds a lesser one.
_SPREAD = """
    UPDATE label
    SET label = least.label
    FROM (
        SELECT meets.member_id, min(theirs.label::text)::uuid AS label
        FROM meets
        JOIN label AS theirs ON theirs.member_id = meets.other_id
        GROUP BY meets.member_id
    ) AS least
    WHERE least.member_id = label.member_id
      AND least.label < label.label
"""
_ABSORBED = """
    SELECT count(*) - count(DISTINCT label)
    FROM label
"""

Pair = tuple[UUID, UUID]
"""Two members, the lesser ID first."""


async def prepare(connection: asyncpg.Connection) -> None:
    """Make the temporary tables; they end with the connection."""
    await connection.execute(_PREPARE)


async def read_led(connection: asyncpg.Connection, partition: int) -> None:
    """Read the members of a partition that are not active, and whom those lead to that were merged."""
    await connection.execute(_READ_LED, partition, Status.ACTIVE)


async def count_members(connection: asyncpg.Connection, partition: int) -> int:
    """The members of a partition that are active or suspended."""
    count: int = await connection.fetchval(_COUNT_MEMBERS, partition, [Status.ACTIVE, Status.SUSPENDED])
    return count


async def read_values(
    connection: asyncpg.Connection, partition: int, types: Collection[str], name_types: Collection[str]
) -> None:
    """Read what speaks for members and against them, of what stands in a partition; `led` has been read of all."""
    await connection.execute(_READ_SHARED, partition, list(types), MAX_HOLDERS)
    await connection.execute(_READ_NAMES, partition, list(name_types))
    await connection.execute(_READ_KNOWN, partition)


async def count_pairs(connection: asyncpg.Connection) -> int:
    """Pairs of members that share something; called when all was read."""
    await connection.execute(_INDEX)
    count: int = await connection.fetchval(_COUNT_PAIRS)
    return count


async def page_of_shared(connection: asyncpg.Connection, after: Pair, limit: int) -> list[Any]:
    """What at most `limit` pairs of members share, after one, in their order."""
    return list(await connection.fetch(_PAGE, *after, limit))


async def names_of(connection: asyncpg.Connection, member_ids: Collection[UUID]) -> list[Any]:
    """The verified real names of members."""
    return list(await connection.fetch(_NAMES_OF, list(member_ids)))


async def statuses_of(connection: asyncpg.Connection, member_ids: Collection[UUID]) -> dict[UUID, Status]:
    """The status of those members that are not active."""
    return {row[0]: Status(row[1]) for row in await connection.fetch(_STATUSES_OF, list(member_ids))}


async def known_of(connection: asyncpg.Connection, pairs: Sequence[Pair]) -> list[tuple[Pair, Match]]:
    """The matches that there are of pairs of members."""
    rows = await connection.fetch(_KNOWN_OF, [one for one, _ in pairs], [two for _, two in pairs])
    return [((row[0], row[1]), match_of(row[2:])) for row in map(tuple, rows)]


async def page_of_forsaken(connection: asyncpg.Connection, after: Pair, limit: int) -> list[Pair]:
    """At most `limit` pairs, after one, that are matches nobody decided and share nothing any more."""
    waiting = [MatchStatus.OPEN, MatchStatus.MERGING]
    rows = await connection.fetch(_PAGE_OF_FORSAKEN, *after, limit, waiting, MatchStatus.LINKED, MatchReason.DECIDED)
    return [(row[0], row[1]) for row in rows]


async def note_merging(connection: asyncpg.Connection, pairs: Collection[Pair]) -> None:
    """Note pairs that would be merged."""
    await connection.execute(_NOTE_MERGING, [one for one, _ in pairs], [two for _, two in pairs])


async def count_absorbed(connection: asyncpg.Connection) -> int:
    """How many members would no longer stand for themselves: of all that would be merged with each other one stays."""
    await connection.execute(_LABEL)
    while await connection.execute(_SPREAD) != "UPDATE 0":
        pass
    count: int = await connection.fetchval(_ABSORBED)
    return count
