"""What a trace finds."""

from typing import NamedTuple
from uuid import UUID


class User(NamedTuple):
    """What used lots of a member: a spend or a hold, in a partition."""

    partition: int
    user_id: UUID
    member_id: UUID


class UsedLot(NamedTuple):
    """What was used of a lot, and what the lot says of itself."""

    lot_id: UUID
    amount: int
    refunded: int
    funder: str
    source_id: UUID
    origin_lot: UUID | None
