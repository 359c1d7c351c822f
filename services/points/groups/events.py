"""What points hear of groups, and what it tells of what they spend together."""

from services.chassis.clock import from_microseconds, to_microseconds
from services.chassis.idempotency import digest_of
from services.chassis.ids import from_bytes
from services.points.groups.values import GroupSeat, PooledSpend
from tessera.identity.v1 import event_pb2 as identity_pb
from tessera.points.v1 import event_pb2 as pb

SHARED = "points"
"""What a group shares whose members spend together, by identity's word for it."""


def seat_heard(changed: identity_pb.SeatChanged, owner_id: bytes) -> GroupSeat:
    """A seat as one of its two halves tells it: the group's, or the member's."""
    joined_at = from_microseconds(changed.joined_at_us)
    assert joined_at is not None
    return GroupSeat(
        owner_id=from_bytes(owner_id),
        seat_id=from_bytes(changed.seat_id),
        group_id=from_bytes(changed.group_id),
        member_id=from_bytes(changed.member_id),
        role=changed.role,
        joined_at=joined_at,
        left_at=from_microseconds(changed.left_at_us),
        shares_points=SHARED in changed.shares,
    )


def pooled_spend_changed(pooled: PooledSpend) -> bytes:
    """A pooled spend, as it is now."""
    event = pb.Event()
    changed = event.pooled_spend_changed
    changed.spend_id = pooled.spend_id.bytes
    changed.group_id = pooled.group_id.bytes
    changed.member_id = pooled.member_id.bytes
    changed.account_id = pooled.account_id.bytes
    changed.domain = pooled.domain
    changed.unit = pooled.unit
    changed.amount = pooled.amount
    changed.refunded = pooled.refunded
    changed.reference_digest = digest_of(pooled.reference.encode())
    changed.spent_at_us = to_microseconds(pooled.spent_at)
    changed.order_minor = pooled.order_minor or 0
    changed.order_returned_minor = pooled.order_returned or 0
    for member_id, spend_id, amount, refunded in pooled.contributions:
        changed.contributions.add(member_id=member_id.bytes, spend_id=spend_id.bytes, amount=amount, refunded=refunded)
    return event.SerializeToString()
