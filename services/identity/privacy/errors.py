"""Every way that consents, exports and erasures are refused beside those of identity."""

from collections.abc import Mapping

from grpc import StatusCode

from services.chassis.errors import Rejection


def purpose_unknown(purpose: str, domain: str) -> Rejection:
    """No such purpose in the programme of the domain."""
    return Rejection(
        "PURPOSE_UNKNOWN",
        f"the programme of the domain {domain} has no purpose {purpose}",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"purpose": purpose, "domain": domain},
    )


def consent_missing(purpose: str, domain: str) -> Rejection:
    """The person has not agreed."""
    return Rejection(
        "CONSENT_MISSING",
        f"the member has not agreed to {purpose} for the domain {domain}",
        metadata={"purpose": purpose, "domain": domain},
    )


def erasure_blocked(service: str, code: str, details: Mapping[str, str], blockers: int) -> Rejection:
    """Something is in the way; told of the first of so many."""
    return Rejection(
        "ERASURE_BLOCKED",
        f"{blockers} thing(s) stand in the way of the erasure; {service} says {code}",
        metadata={**details, "service": service, "code": code, "blockers": str(blockers)},
    )


def accounts_held_elsewhere(account_id: str, accounts: int) -> Rejection:
    """Another member holds what is sealed under the key of this one, since a merge that was undone in part."""
    return erasure_blocked("identity", "ACCOUNT_HELD_ELSEWHERE", {"account_id": account_id}, accounts)
