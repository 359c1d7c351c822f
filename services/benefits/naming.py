"""IDs that follow from what they stand for, so that the same thing can be neither issued nor redeemed twice."""

from hashlib import blake2b
from uuid import UUID

from services.benefits.values import Member
from services.chassis.ids import hashed, routing_of

_DIGEST_BYTES = 16


def entitlement_id(member_id: UUID, benefit: str, cause: str, reference: str) -> UUID:
    """The entitlement that a member gets to a benefit for a cause and under a reference."""
    body = member_id.bytes + f"{benefit}\n{cause}\n{reference}".encode()
    return hashed(blake2b(body, digest_size=_DIGEST_BYTES).digest(), routing_of(member_id))


def entitlement_ids(member: Member, benefit: str, cause: str, reference: str) -> list[UUID]:
    """The same of a member and of those that were merged into it: whichever there is, the member has it."""
    return [entitlement_id(each, benefit, cause, reference) for each in (member.member_id, *member.merged_ids())]


def redemption_id(request_key: UUID, member_id: UUID) -> UUID:
    """The redemption that a member's request makes."""
    return hashed(request_key.bytes, routing_of(member_id))
