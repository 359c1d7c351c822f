"""Which partition an owner's rows live in."""

from uuid import UUID

from services.chassis.ids import ROUTING_BITS, routing_of

SYSTEM_PARTITION = -1
"""Holds what belongs to no owner: the publishing of configuration."""

MAX_PARTITIONS = 1 << ROUTING_BITS


def partition_of(value: UUID, partitions: int) -> int:
    """The partition of an ID among `partitions` (a power of two)."""
    return routing_of(value) & (partitions - 1)
