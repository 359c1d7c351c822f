"""Pure decisions on members and accounts: who may be enrolled, linked, unlinked, suspended, closed."""

from collections.abc import Collection, Iterable
from enum import Enum
from uuid import UUID

from services.chassis.errors import Rejection
from services.identity import errors
from services.identity.values import Account, Config, Member, Route, Status


class StatusChange(Enum):
    """What can be done to a member's status."""

    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    CLOSE = "close"


STATUS_AFTER = {
    StatusChange.SUSPEND: Status.SUSPENDED,
    StatusChange.REINSTATE: Status.ACTIVE,
    StatusChange.CLOSE: Status.CLOSED,
}


def enrolment_refusal(config: Config, domain: str) -> Rejection | None:
    """Why nobody can be enrolled with an account of this domain."""
    return None if domain in config.domains else errors.domain_unknown(domain)


def link_refusal(
    config: Config, member: Member | None, domain: str, route: Route | None, accounts: Iterable[Account]
) -> Rejection | None:
    """Why an account cannot be linked. `accounts` are the member's; `route` is where the account's name leads now.

    An account that is the member's already is not refused, whatever the limit says today.
    """
    if member is None:
        return errors.MEMBER_UNKNOWN
    if (refusal := not_active(member.status)) is not None:
        return refusal
    configured = config.domains.get(domain)
    if configured is None:
        return errors.domain_unknown(domain)
    if route is not None and route.member_id is not None:
        return None if route.member_id == member.member_id else errors.ACCOUNT_LINKED_ELSEWHERE
    limit = configured.accounts_per_member
    if limit is not None and sum(account.domain == domain for account in accounts) >= limit:
        return errors.domain_account_limit(domain, limit)
    return None


def unlink_refusal(member: Member | None, account_id: UUID, accounts: Collection[UUID]) -> Rejection | None:
    """Why an account cannot be taken from its member. `accounts` are the member's."""
    if member is None or account_id not in accounts:
        return errors.ACCOUNT_UNKNOWN
    if (refusal := not_active(member.status)) is not None:
        return refusal
    return errors.LAST_ACCOUNT if len(accounts) == 1 else None


def status_refusal(member: Member | None, change: StatusChange) -> Rejection | None:
    """Why a member's status cannot be changed. Closing is for good, from any other status."""
    if member is None:
        return errors.MEMBER_UNKNOWN
    if member.status is Status.ERASED:
        return errors.MEMBER_ERASED
    if member.status is Status.CLOSED:
        return errors.MEMBER_CLOSED
    if change is StatusChange.SUSPEND and member.status is Status.SUSPENDED:
        return errors.MEMBER_SUSPENDED
    if change is StatusChange.REINSTATE and member.status is not Status.SUSPENDED:
        return errors.MEMBER_NOT_SUSPENDED
    return None


def not_active(status: Status) -> Rejection | None:
    """Why a member that is not active is not served."""
    if status is Status.SUSPENDED:
        return errors.MEMBER_SUSPENDED
    if status is Status.ERASED:
        return errors.MEMBER_ERASED
    return errors.MEMBER_CLOSED if status is Status.CLOSED else None
