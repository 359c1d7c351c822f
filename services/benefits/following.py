"""What benefits makes of what identity and tiers tell."""

from services.benefits import rules, standings
from services.benefits.issuing import issue_grant
from services.benefits.merges import following as merges
from services.benefits.merges.values import ErasureHeard, MergeHeard, UnmergeHeard
from services.benefits.state import Draft
from services.benefits.states import States, Work
from services.benefits.values import (
    MONTHLY,
    Account,
    AccountLinked,
    AccountUnlinked,
    BenefitsConfig,
    MemberEnrolled,
    MemberStatus,
    StandingChanged,
    StatusChanged,
    Told,
)
from services.chassis.feed_batch import FeedBatch
from services.chassis.operations import Decision, Moment


def follow(states: States, batch: FeedBatch, moment: Moment[BenefitsConfig]) -> Decision:
    """Apply a stretch of a feed, event by event."""
    work = Work(states, moment)
    for record in batch.records:
        for told in record.events:
            match told:
                case MergeHeard():
                    merges.merged(work, told)
                case UnmergeHeard():
                    merges.unmerged(work, told)
                case ErasureHeard():
                    merges.erased(work, told)
                case _:
                    _apply(work.at(batch.partition), told, moment)
    return Decision(tuple(work.drafts.values()), answer=bytes)


def _apply(draft: Draft, told: Told, moment: Moment[BenefitsConfig]) -> None:
    match told:
        case MemberEnrolled():
            member = draft.member(told.member_id)
            draft.members[told.member_id] = member._replace(status=MemberStatus.ACTIVE, enrolled_at=told.enrolled_at)
        case StatusChanged():
            draft.members[told.member_id] = draft.member(told.member_id)._replace(status=told.status)
        case AccountLinked():
            draft.accounts[told.account_id] = Account(told.account_id, told.member_id, told.domain, True)
        case AccountUnlinked():
            account = draft.account(told.account_id)
            if account is not None:
                draft.accounts[told.account_id] = account._replace(linked=False)
        case StandingChanged():
            _change_standing(draft, told, moment)


def _change_standing(draft: Draft, told: StandingChanged, moment: Moment[BenefitsConfig]) -> None:
    """Take over where the member stands, and issue what that brings.

    What a month brings is issued as of its start; all else as of now, or of the change where that is yet to come.
    """
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
