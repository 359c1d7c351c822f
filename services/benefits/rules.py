"""Who may do something at all, and what is offered to whom: pure decisions on values and an instant."""

from datetime import datetime
from uuid import UUID

from services.benefits import errors
from services.benefits.config import Benefit
from services.benefits.standings import standing_at
from services.benefits.values import (
    Account,
    Member,
    MemberStatus,
)
from services.chassis.errors import Rejection

_ACTIVE = int(MemberStatus.ACTIVE)


def member_refusal(member: Member | None) -> Rejection | None:
    """Why a member may do nothing, whatever the benefit."""
    if member is None:
        return errors.MEMBER_UNKNOWN
    if member.status == _ACTIVE:
        return None
    if member.status == MemberStatus.UNHEARD:
        return errors.MEMBER_UNKNOWN
    return errors.MEMBER_SUSPENDED if member.status == MemberStatus.SUSPENDED else errors.MEMBER_CLOSED


def account_refusal(account: Account | None, member_id: UUID, domain: str) -> Rejection | None:
    """Why an account is not one through which a member acts in a domain."""
    if account is None:
        return errors.ACCOUNT_UNKNOWN
    if not account.linked or account.member_id != member_id or account.domain != domain:
        return errors.ACCOUNT_MISMATCH
    return None


def is_offered(benefit: Benefit, at: datetime) -> bool:
    """Whether a benefit is offered at all."""
    return (benefit.offered_from is None or benefit.offered_from <= at) and (
        benefit.offered_until is None or at < benefit.offered_until
    )


def not_offered(benefit: Benefit) -> Rejection:
    """Why nobody has anything of a benefit now."""
    return errors.outside_validity(benefit.offered_from, benefit.offered_until)


def is_eligible(benefit: Benefit, member: Member, at: datetime) -> bool:
    """Whether a member meets a benefit's condition by the standing that covers an instant."""
    return benefit.eligibility is None or benefit.eligibility.holds(standing_at(member, at), member.enrolled_at)
