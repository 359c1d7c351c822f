"""What a command needs of the other members of its person before it can be decided."""

from typing import Any
from uuid import UUID

from services.benefits.commands import IssueEntitlement, Redeem, ReverseRedemption
from services.benefits.merges.commands import LoadEntitlement, LoadMembers, meaning
from services.benefits.merges.following import missing
from services.benefits.state import Draft, State
from services.chassis.operations import Forwarded, Wider


def elsewhere(state: State, command: Any) -> Forwarded | Wider | None:
    """To whom a command is handed on, or what has to be loaded for it; None where there is nothing of it."""
    match command:
        case Redeem(redemption_id=redemption_id) if redemption_id in state.redemptions:
            return None
        case Redeem() | IssueEntitlement():
            link = state.links.get(command.member_id)
            if link is None:
                return None
            if link.leads_to is not None:
                return Forwarded(meaning(command, link.leads_to))
            return _others(state, command.member_id)
        case ReverseRedemption():
            return _reversing(state, command.redemption_id)
        case _:
            return None


def _others(state: State, member_id: UUID) -> Wider | None:
    return missing(Draft(state), state.link(member_id).merged)


def _reversing(state: State, redemption_id: UUID) -> Wider | None:
    """The entitlement may be another member's of the person, or of one that left since; so may the quota be."""
    made = state.redemptions.get(redemption_id)
    if made is None:
        return None
    if made.entitlement_id is not None:
        known = made.entitlement_id in state.entitlements
        return None if known else Wider(LoadEntitlement(made.entitlement_id))
    if made.member_id not in state.links:
        return None
    draft = Draft(state)
    person = missing(draft, draft.person(made.member_id))
    if person is not None:
        return person
    absent = tuple(each for each in draft.counting(made) if not draft.is_loaded(each))
    return Wider(LoadMembers(absent)) if absent else None
