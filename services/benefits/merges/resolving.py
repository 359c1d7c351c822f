"""Who has what was used, by now: of whom an ID leads to, or of whose the account is."""

from uuid import UUID

from services.benefits.merges.commands import LoadReturn
from services.benefits.state import State
from services.benefits.states import Work
from services.benefits.values import Entitlement, EntitlementState, Redemption
from services.chassis.operations import Wider


def holder_of(work: Work, made: Redemption) -> UUID | Wider:
    """The member whose quota a redemption counts for."""
    member_id = made.member_id
    while (holder_id := _next(work.state_of(member_id), member_id, made.account_id)) != member_id:
        load = LoadReturn(holder_id, made.benefit, made.account_id, None)
        if load not in work.state_of(holder_id).at_hand:
            return Wider(load)
        member_id = holder_id
    return member_id


def _next(state: State, member_id: UUID, account_id: UUID | None) -> UUID:
    account = state.accounts.get(account_id) if account_id is not None else None
    if account is not None:
        return account.member_id
    member = state.members.get(member_id)
    return member_id if member is None or member.leads_to is None else member.leads_to


def used_entitlement(work: Work, made: Redemption, entitlement_id: UUID) -> Entitlement | Wider:
    """The entitlement that a redemption used, where it is by now."""
    entitlement = work.state_of(made.redemption_id).entitlements[entitlement_id]
    while entitlement.state == EntitlementState.MOVED:
        load = LoadReturn(entitlement.member_id, made.benefit, None, entitlement_id)
        if load not in work.state_of(entitlement.member_id).at_hand:
            return Wider(load)
        entitlement = work.state_of(entitlement.member_id).entitlements[entitlement_id]
    return entitlement
