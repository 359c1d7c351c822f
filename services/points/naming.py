"""Names that follow from what they stand for."""

from hashlib import blake2b
from uuid import UUID

from services.chassis import ids


def natural_key(member_id: UUID, domain: str, activity_type: str, reference: str) -> UUID:
    """What makes an activity unique: domain, type and reference for its member."""
    name = b"\0".join((member_id.bytes, domain.encode(), activity_type.encode(), reference.encode()))
    return ids.from_bytes(blake2b(name, digest_size=16).digest())
