"""Every way the identity service says no; mirrors `tessera.identity.v1.ErrorReason`."""

from datetime import timedelta

from grpc import StatusCode

from services.chassis.errors import Rejection

MEMBER_UNKNOWN = Rejection("MEMBER_UNKNOWN", "no member has this ID", code=StatusCode.NOT_FOUND)
MEMBER_SUSPENDED = Rejection("MEMBER_SUSPENDED", "the member is suspended")
MEMBER_CLOSED = Rejection("MEMBER_CLOSED", "the member is closed")
MEMBER_ERASED = Rejection("MEMBER_ERASED", "the member is erased")
MEMBER_NOT_SUSPENDED = Rejection("MEMBER_NOT_SUSPENDED", "the member is not suspended")
ACCOUNT_UNKNOWN = Rejection("ACCOUNT_UNKNOWN", "no such account is linked to a member", code=StatusCode.NOT_FOUND)
ACCOUNT_LINKED_ELSEWHERE = Rejection(
    "ACCOUNT_LINKED_ELSEWHERE", "the account belongs to another member", code=StatusCode.ALREADY_EXISTS
)
LAST_ACCOUNT = Rejection("LAST_ACCOUNT", "it is the member's last account; close the member instead")
ACCOUNTS_CHANGED = Rejection(
    "ACCOUNTS_CHANGED",
    "the member's accounts changed while it was being changed; nothing was done",
    code=StatusCode.ABORTED,
    retry_after=timedelta(milliseconds=50),
)


def domain_unknown(domain: str) -> Rejection:
    """No such domain."""
    return Rejection(
        "DOMAIN_UNKNOWN",
        f"no domain {domain} is configured",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"domain": domain},
    )


def domain_account_limit(domain: str, limit: int) -> Rejection:
    """As many accounts as the domain allows."""
    return Rejection(
        "DOMAIN_ACCOUNT_LIMIT",
        f"a member may have {limit} account(s) in the domain {domain}",
        metadata={"domain": domain, "limit": str(limit)},
    )
