"""Members with a past: as many as asked for, each with activities, lots and entries, written as sets by the server.

Indexes are made after the rows, and after a checkpoint: a row that changes their pages is then measured as between two
checkpoints, without logging each page whole at its first change. The journal is not filled: it is only appended to;
entries of the past have positions below zero.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from tests.bench.population import ACCOUNT_BIT, ACTIVE, DOMAIN, ID_PREFIX, ROUTING_FACTOR

ACTIVITIES = 5
"""Of each member; each of them earned points, in a lot, and a score: two entries."""
ENTRIES = 2 * ACTIVITIES
POINTS, SCORE = 10, 1000
"""What each earned."""

_MEMBERS = f"""
    SELECT routing & $2::int AS partition,
           ('{ID_PREFIX}' || lpad(to_hex(number << 16 | routing), 12, '0'))::uuid AS member_id,
           ('{ID_PREFIX}' || lpad(to_hex((number << 16 | routing) | {ACCOUNT_BIT}), 12, '0'))::uuid AS account_id
    FROM (SELECT number, number * {ROUTING_FACTOR} & 65535 AS routing
          FROM generate_series(0, $1::bigint - 1) AS number) AS numbered
"""
_WITH_ACTIVITIES = f"({_MEMBERS}) AS m CROSS JOIN generate_series(1, {ACTIVITIES}) AS done"
_PAST = (
    f"INSERT INTO members (partition, member_id, status) SELECT partition, member_id, {ACTIVE} FROM ({_MEMBERS}) AS m",
    f"""
    INSERT INTO accounts (partition, account_id, member_id, domain, linked)
    SELECT partition, account_id, member_id, '{DOMAIN}', true FROM ({_MEMBERS}) AS m
    """,
    f"""
    INSERT INTO activities (
        partition, activity_id, natural_key, member_id, effective_at, fingerprint, body, answer, lines
    )
    SELECT partition, gen_random_uuid(), gen_random_uuid(), member_id, now() - interval '1 day' * done,
           decode(repeat('00', 16), 'hex'), decode(repeat('00', 150), 'hex'), decode(repeat('00', 150), 'hex'), 1
    FROM {_WITH_ACTIVITIES}
    """,
    f"""
    INSERT INTO lots (
        partition, member_id, lot_id, unit, amount, remaining, held, expired, available_at, expires_at, funder,
        source_id, account_id, slides
    )
    SELECT partition, member_id, gen_random_uuid(), 'points', {POINTS}, {POINTS}, 0, 0,
           now() - interval '1 day' * done, now() + interval '60 days', 'platform', gen_random_uuid(), account_id, false
    FROM {_WITH_ACTIVITIES}
    """,
    f"""
    INSERT INTO entries (
        partition, member_id, position, ordinal, unit, kind, amount, balance_after, counterparty, effective_at,
        recorded_at, account_id, source_id, level
    )
    SELECT partition, member_id, -done, ordinal, unit, 1, amount, amount * done, 'funder:platform',
           now() - interval '1 day' * done, now(), account_id, gen_random_uuid(), ''
    FROM {_WITH_ACTIVITIES}
    CROSS JOIN (VALUES (0, 'points', {POINTS}), (1, 'score', {SCORE})) AS u (ordinal, unit, amount)
    """,
)
_BALANCES = f"""
    INSERT INTO balances (partition, member_id, unit, balance, debt)
    SELECT partition, member_id, unit, {ACTIVITIES} * amount, 0
    FROM ({_MEMBERS}) AS m CROSS JOIN (VALUES ('points', {POINTS}), ('score', {SCORE})) AS u (unit, amount)
"""
_TABLES = ("members", "accounts", "activities", "lots", "entries", "balances")
_INDEXES = """
    SELECT i.tablename, i.indexname, i.indexdef, c.conname
    FROM pg_indexes AS i
    LEFT JOIN pg_constraint AS c ON c.conname = i.indexname AND c.contype = 'p'
    WHERE i.tablename = ANY ($1)
"""
_WARM = """
    SELECT pg_prewarm(c.oid) FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace
        AND (c.relkind = 'i' OR c.relname IN ('members', 'accounts', 'balances', 'routes'))
"""
"""Indexes, and the tables whose rows are read for each activity of a member, or to resolve its account. What is only
written at its end is not read."""


async def fill_past(dsn: str, members: int) -> None:
    """So many members with their past."""
    connection = await asyncpg.connect(dsn)
    try:
        partitions = await connection.fetchval("SELECT count(*) FROM head WHERE partition >= 0")
        # Otherwise a server that logs no more than it needs would not log new indexes, but copy their pages later.
        await connection.execute("SET wal_skip_threshold = '1TB'")
        async with without_indexes(connection, _TABLES):
            for statement in _PAST:
                await connection.execute(statement, members, partitions - 1)
            await connection.execute("VACUUM (FREEZE)")
            await connection.execute("CHECKPOINT")
            await connection.execute(_BALANCES, members, partitions - 1)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


@asynccontextmanager
async def without_indexes(connection: asyncpg.Connection, tables: Sequence[str]) -> AsyncIterator[None]:
    """Tables that have no indexes meanwhile: what fills them is quicker, and so is making the indexes afterwards."""
    indexes = await connection.fetch(_INDEXES, tables)
    for table, name, _, key in indexes:
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key}" if key else f"DROP INDEX {name}")
    yield
    for table, name, definition, key in indexes:
        await connection.execute(definition)
        if key:
            await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {key} PRIMARY KEY USING INDEX {name}")


async def warm(dsn: str) -> None:
    """Load what a server that has served these members for long has in its memory, as far as it fits."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        await connection.execute(_WARM)
    finally:
        await connection.close()
