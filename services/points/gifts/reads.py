"""Every SQL statement with which gifts are read."""

from uuid import UUID

import asyncpg

from services.points.values import Gift

_GIFT = """
    SELECT gift_id, member_id, account_id, domain, to_member_id, to_account_id, to_domain, unit, amount, state,
           reference, given_at, expires_at, closed_at
    FROM gifts
    WHERE partition = $1
      AND gift_id = $2
"""


async def gift(pool: asyncpg.Pool, partition: int, gift_id: UUID) -> Gift | None:
    """A gift, without the lots that it came from."""
    row = await pool.fetchrow(_GIFT, partition, gift_id)
    return None if row is None else Gift(*(*row, ()))
