"""Matches that were found before there were policies are kept."""

import asyncpg

from services.chassis import ids
from services.chassis.migrations import migrate_async
from services.identity.identifiers.values import Strength
from services.identity.matches.queries import find_match
from services.identity.matches.values import Evidence, MatchStatus
from tests.support import postgres

BEFORE = """
    DROP TABLE matches, audit, audit_head;
    DROP INDEX lookups_of_member;
    ALTER TABLE members DROP COLUMN key_version;
    ALTER TABLE groups DROP COLUMN same_identifier;
    ALTER TABLE groups RENAME common_index TO attribute_index;
    CREATE TABLE matches (
        partition integer, owner_id uuid, match_id uuid, member_id uuid NOT NULL, other_id uuid NOT NULL,
        type text NOT NULL, identifier_id uuid NOT NULL, other_identifier_id uuid NOT NULL, score smallint NOT NULL,
        status smallint NOT NULL, created_at timestamptz NOT NULL, PRIMARY KEY (partition, owner_id, match_id)
    );
    UPDATE alembic_version SET version_num = '0006'
"""


async def test_a_match_of_before_tells_the_proof_that_both_had_verified() -> None:
    database = await postgres.new_database("identity")
    member, other, match, one, two = (ids.new_id(3) for _ in range(5))
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(BEFORE)
        for owner in (member, other):
            await connection.execute(
                "INSERT INTO matches VALUES (3, $1, $2, $3, $4, 'email', $5, $6, 100, 1, now())",
                *(owner, match, member, other, one, two),
            )
        await migrate_async(database, "identity", postgres.PARTITIONS)
        found = await find_match(connection, 3, match)
        count = await connection.fetchval("SELECT count(*) FROM matches")
    finally:
        await connection.close()
        await postgres.drop_database(database)
    assert found is not None
    assert (found.member_id, found.other_id, found.score, found.status) == (member, other, 100, MatchStatus.OPEN)
    assert (found.reason, found.policy, found.decided_at, found.changed_at) == ("NO_POLICY", "", None, found.created_at)
    assert found.evidence == (Evidence("email", one, two, Strength.PROOF, True, 100),)
    assert count == 2
