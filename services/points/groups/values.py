"""What points know of groups, and what their members spend together."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

GROUP = "group"
"""The prefix of groups' IDs."""


class GroupSeat(NamedTuple):
    """A member's place in a group, as identity told it: a row of its table, in the table's order.

    Its owner is the group or the member: each has a row of its own, in its own partition.
    """

    owner_id: UUID
    seat_id: UUID
    group_id: UUID
    member_id: UUID
    role: str
    joined_at: datetime
    left_at: datetime | None
    shares_points: bool


class Contribution(NamedTuple):
    """What burnt in one wallet without any other's lots between; `spend_id` is the spend of that wallet.

    A row of its table, in the table's order, without what it belongs to.
    """

    member_id: UUID
    spend_id: UUID
    amount: int
    refunded: int = 0


@dataclass(frozen=True, slots=True)
class PooledSpend:
    """Points that members of a group spent together; it belongs to the partition of the member who spent.

    `contributions` in the order in which points burnt. Each wallet has a spend of its own, in its own partition.
    """

    spend_id: UUID
    group_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    unit: str
    amount: int
    refunded: int
    reference: str
    spent_at: datetime
    contributions: tuple[Contribution, ...]
    order_minor: int | None = None
    order_returned: int | None = None
