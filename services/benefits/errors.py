"""Every way the benefits service says no; mirrors `tessera.benefits.v1.ErrorReason`."""

from collections.abc import Collection
from datetime import datetime, timedelta

from grpc import StatusCode

from services.chassis.errors import Rejection

SOON = timedelta(milliseconds=250)
"""How soon a new member or account may have arrived."""

MEMBER_UNKNOWN = Rejection(
    "MEMBER_UNKNOWN",
    "no such member has been heard of; a new one may still be on its way",
    code=StatusCode.NOT_FOUND,
    retry_after=SOON,
)
MEMBER_SUSPENDED = Rejection("MEMBER_SUSPENDED", "the member is suspended")
MEMBER_CLOSED = Rejection("MEMBER_CLOSED", "the member is closed")
ACCOUNT_UNKNOWN = Rejection(
    "ACCOUNT_UNKNOWN",
    "no such account has been heard of; a new one may still be on its way",
    code=StatusCode.NOT_FOUND,
    retry_after=SOON,
)
ACCOUNT_MISMATCH = Rejection(
    "ACCOUNT_MISMATCH",
    "the account belongs to another member or domain, or to no member any more",
    code=StatusCode.INVALID_ARGUMENT,
)
NOT_ENTITLED = Rejection("NOT_ENTITLED", "the member has no entitlement to the benefit")
REDEMPTION_UNKNOWN = Rejection("REDEMPTION_UNKNOWN", "there is no such redemption", code=StatusCode.NOT_FOUND)


def benefit_unknown(benefit: str) -> Rejection:
    """No such benefit."""
    return Rejection(
        "BENEFIT_UNKNOWN",
        f"no benefit {benefit} is configured",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"benefit": benefit},
    )


def not_issued_to_lists(benefit: str) -> Rejection:
    """A quota, or a coupon that is only issued in other ways."""
    return Rejection(
        "NOT_ISSUED_TO_LISTS",
        f"the benefit {benefit} is not issued to lists of members",
        metadata={"benefit": benefit},
    )


def already_issued(entitlement_id: str) -> Rejection:
    """The member has it under this reference."""
    return Rejection(
        "ALREADY_ISSUED",
        "the benefit was issued to the member under this reference",
        code=StatusCode.ALREADY_EXISTS,
        metadata={"entitlement_id": entitlement_id},
    )


def domain_not_in_scope(benefit: str, domains: Collection[str]) -> Rejection:
    """The benefit is for other domains."""
    names = ", ".join(sorted(domains))
    return Rejection(
        "DOMAIN_NOT_IN_SCOPE", f"the benefit {benefit} can be used in {names}", metadata={"domains": names}
    )


def outside_validity(valid_from: datetime | None, valid_until: datetime | None) -> Rejection:
    """Too early or too late."""
    bounds = {"valid_from": valid_from, "valid_until": valid_until}
    metadata = {name: bound.isoformat() for name, bound in bounds.items() if bound is not None}
    text = "".join(f" {name.removeprefix('valid_')} {bound}" for name, bound in metadata.items())
    return Rejection("OUTSIDE_VALIDITY", f"it is valid{text}", metadata=metadata)


def not_eligible(condition: str) -> Rejection:
    """The member does not meet the condition."""
    return Rejection(
        "NOT_ELIGIBLE", f"the member does not meet the condition {condition}", metadata={"condition": condition}
    )


def entitlement_not_usable(state: str) -> Rejection:
    """The entitlement that was named is of no use; `state` is "unknown" for one that the member has not."""
    return Rejection("ENTITLEMENT_NOT_USABLE", f"the entitlement is {state}", metadata={"state": state})


def quota_exhausted(quota: int, used: int, next_eligible_at: datetime | None) -> Rejection:
    """Nothing is left in this period."""
    metadata = {"quota": str(quota), "used": str(used)}
    if next_eligible_at is not None:
        metadata["next_eligible_at"] = next_eligible_at.isoformat()
    return Rejection("QUOTA_EXHAUSTED", f"{used} of {quota} are used in this period", metadata=metadata)


def redemption_already_reversed(reversed_at: datetime) -> Rejection:
    """It is reversed."""
    return Rejection(
        "REDEMPTION_ALREADY_REVERSED",
        "the redemption is already reversed",
        metadata={"reversed_at": reversed_at.isoformat()},
    )
