"""Every statement on matches. Each is a row twice, one for each of its members: `owner_id` is whose it is."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.identity.matches.values import Match, MatchStatus

LOAD_MATCHES = """
    SELECT match_id, member_id, other_id, type, identifier_id, other_identifier_id, score, status, created_at
    FROM matches
    WHERE partition = $1
      AND owner_id = ANY($2)
"""

Reader = asyncpg.Connection | asyncpg.Pool


async def load_matches(reader: Reader, partition: int, member_ids: Sequence[UUID]) -> list[Match]:
    """The matches of members of a partition."""
    matches = [Match(*row) for row in await reader.fetch(LOAD_MATCHES, partition, member_ids)]
    return [match._replace(status=MatchStatus(match.status)) for match in matches]
