"""What benefits makes of what identity and tiers tell."""

from services.benefits import rules, standings
from services.benefits.issuing import issue_grant
from services.benefits.merges import following as merges
from services.benefits.state import Draft, State
from services.benefits.values import (
    MONTHLY,
    Account,
    AccountLinked,
    AccountUnlinked,
    BenefitsConfig,
    MemberEnrolled,
    MemberStatus,
    Merged,
    StandingChanged,
    StatusChanged,
    Told,
    Unmerged,
)
from services.chassis.feed_batch import FeedBatch
from services.chassis.operations import Decision, Moment, Wider


def follow(state: State, batch: FeedBatch, moment: Moment[BenefitsConfig]) -> Decision | Wider:
    """Apply a stretch of a feed, event by event; those about merges may need what other members have."""
    draft = Draft(state)
    for record in batch.records:
        for told in record.events:
            if (wider := _apply(draft, told, moment)) is not None:
                return wider
    return Decision(draft, answer=bytes)


def _apply(draft: Draft, told: Told, moment: Moment[BenefitsConfig]) -> Wider | None:
    match told:
        case MemberEnrolled():
            member = draft.member(told.member_id)
            draft.members[told.member_id] = member._replace(status=MemberStatus.ACTIVE, enrolled_at=told.enrolled_at)
        case StatusChanged():
            draft.members[told.member_id] = draft.member(told.member_id)._replace(status=told.status)
        case AccountLinked():
            draft.put_account(told.member_id, Account(told.account_id, told.member_id, told.domain, True))
        case AccountUnlinked():
            account = draft.account(told.member_id, told.account_id)
            if account is not None:
                draft.put_account(told.member_id, account._replace(linked=False))
        case StandingChanged():
            return _change_standing(draft, told, moment)
        case Merged():
            return merges.merged(draft, told, moment)
        case Unmerged():
            return merges.unmerged(draft, told, moment)
    return None


def _change_standing(draft: Draft, told: StandingChanged, moment: Moment[BenefitsConfig]) -> Wider | None:
    """Take over where the member stands, and issue what that brings.

    What a month brings is issued as of its start; all else as of now, or of the change where that is yet to come. What
    comes once in a life may have come to another member of the person.
    """
    comes_once = any(benefit.at_merge != "keep-all" for benefit, _ in moment.config.level_ups.get(told.ladder, ()))
    others = [each for each in draft.person(told.member_id) if each != told.member_id] if comes_once else []
    if (wider := merges.missing(draft, others)) is not None:
        return wider
    changed, rise = standings.change(draft.intervals_of(told.member_id), told)
    draft.put_intervals(changed)
    intervals = draft.intervals_of(told.member_id)
    standing, upcoming = standings.snapshot(intervals, moment.at)
    member = draft.member(told.member_id)._replace(standing=standing, upcoming=upcoming)
    draft.members[told.member_id] = member
    then = standings.standing_of(intervals, told.effective_from)
    for grant in rules.grants_of_change(moment.config, told, rise):
        if rules.is_due(grant, member, [then], told.effective_from):
            issued_at = told.effective_from if grant.cause == MONTHLY else max(moment.at, told.effective_from)
            issue_grant(draft, grant, member, issued_at, moment)
    return None
