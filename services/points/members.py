"""Whether points may act for a member and its account."""

from uuid import UUID

from services.chassis.errors import Rejection
from services.points import errors, heard, wire
from services.points.state import PointsState


def status_rejection(state: PointsState, member_id: UUID) -> Rejection | None:
    """Why a member is not served; None when it is."""
    status = state.members.get(member_id)
    if status == heard.ACTIVE:
        return None
    if status is None:
        return errors.member_unknown(wire.member_id(member_id))
    return errors.MEMBER_SUSPENDED if status == heard.SUSPENDED else errors.MEMBER_CLOSED


def member_rejection(
    state: PointsState, member_id: UUID, account_id: UUID, domain: str | None = None
) -> Rejection | None:
    """Why points do not act for a member through an account, which is to be in a domain; None when they do."""
    rejection = status_rejection(state, member_id)
    if rejection is not None:
        return rejection
    account = state.accounts.get(account_id)
    if account is None:
        return errors.account_unknown(wire.account_id(account_id))
    if account.member_id != member_id or not account.linked:
        return errors.account_of_another_member(wire.account_id(account_id))
    if domain is not None and account.domain != domain:
        return errors.account_of_another_domain(wire.account_id(account_id), account.domain)
    return None
