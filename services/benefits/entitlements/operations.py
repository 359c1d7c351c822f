"""Entitlements come and go: issued to lists and each month, booked as expired."""

from datetime import datetime

from services.benefits import errors, events, naming, standings, wire
from services.benefits.commands import ExpireEntitlements, IssueEntitlement, IssueMonthly
from services.benefits.config import BenefitsConfig
from services.benefits.entitlements import rules
from services.benefits.merges.commands import meaning
from services.benefits.rules import member_refusal
from services.benefits.state import Draft, State
from services.benefits.values import LIST, Entitlement, EntitlementState, Grant, Member
from services.chassis import ids
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Forwarded, Moment


def issue_listed(state: State, command: IssueEntitlement, moment: Moment[BenefitsConfig]) -> Decided:
    """Issue a benefit to a member who is named, once for each reference."""
    member = state.members.get(command.member_id)
    if member is not None and member.leads_to is not None:
        return Forwarded(meaning(command, member.leads_to))
    refusal = member_refusal(member)
    if refusal is not None or member is None:
        return refusal or errors.MEMBER_UNKNOWN
    benefit = moment.config.benefits.get(command.benefit)
    if benefit is None:
        return errors.benefit_unknown(command.benefit)
    for each in naming.entitlement_ids(member, command.benefit, LIST, command.reference):
        if each in state.entitlements:
            return errors.already_issued(ids.encode(wire.ENTITLEMENT, each))
    refusal = rules.issue_refusal(benefit, member, moment.at)
    if refusal is not None:
        return refusal
    grant = Grant(benefit, LIST, command.reference)
    entitlement = rules.issue(grant, member.member_id, moment.at, moment.at, moment.config_version)
    if isinstance(entitlement, Rejection):
        return entitlement
    draft = Draft(state)
    put_issued(draft, entitlement)
    place = wire.place_of(moment, command.member_id)
    return Decision((draft,), answer=lambda: wire.issue_answer(entitlement, place))


def issue_monthly(state: State, command: IssueMonthly, moment: Moment[BenefitsConfig]) -> Decision:
    """Issue what a month brings to those of some members who are eligible.

    A member is judged by the standings of the month's first instant and of the last one before it: what tiers decides
    at that same instant may be known here already or not yet, and must not matter.
    """
    draft = Draft(state)
    start = command.month_start
    grants = rules.grants_of_month(moment.config.monthly, start)
    for member_id in command.member_ids:
        member = draft.member(member_id)
        intervals = draft.intervals_of(member_id)
        around = [standings.standing_of(intervals, at) for at in (start, start - rules.INSTANT)]
        for grant in grants:
            if rules.is_due(grant, member, around, start):
                issue_grant(draft, grant, member, start, moment)
    return Decision((draft,), answer=bytes)


def issue_grant(
    draft: Draft, grant: Grant, member: Member, issued_at: datetime, moment: Moment[BenefitsConfig]
) -> None:
    """Issue what falls to a member as of an instant, unless it has it or its time is over."""
    entitlement = rules.issue(grant, member.member_id, issued_at, moment.at, moment.config_version)
    if isinstance(entitlement, Entitlement) and not draft.has_entitlement(entitlement):
        put_issued(draft, entitlement)


def put_issued(draft: Draft, entitlement: Entitlement) -> None:
    """Note an entitlement as issued."""
    draft.entitlements[entitlement.entitlement_id] = entitlement
    draft.counted.append((entitlement.benefit, "issued"))
    draft.events.append(events.entitlement_issued(entitlement))


def expire(state: State, command: ExpireEntitlements, moment: Moment[BenefitsConfig]) -> Decision:
    """Book what time has done to some entitlements; those that it has not, or not yet, or that are booked, stay."""
    draft = Draft(state)
    for entitlement_id in command.entitlement_ids:
        entitlement = state.entitlements.get(entitlement_id)
        if entitlement is None or entitlement.state != EntitlementState.GRANTED:
            continue
        if rules.state_at(entitlement, moment.at) is EntitlementState.EXPIRED:
            draft.entitlements[entitlement_id] = entitlement._replace(state=EntitlementState.EXPIRED)
            draft.counted.append((entitlement.benefit, "expired"))
            draft.events.append(events.entitlement_expired(entitlement))
    return Decision((draft,), answer=bytes)
