"""What benefits makes of what identity and tiers tell."""

from services.benefits import standings
from services.benefits.config import BenefitsConfig
from services.benefits.entitlements.operations import issue_grant
from services.benefits.entitlements.rules import grants_of_change, is_due
from services.benefits.heard import AccountLinked, AccountUnlinked, MemberEnrolled, StandingChanged, StatusChanged, Told
from services.benefits.merges import following as merges
from services.benefits.merges.values import ErasureHeard, MergeHeard, UnmergeHeard
from services.benefits.state import Draft
from services.benefits.states import States, Work
from services.benefits.values import LEVEL_UP, MONTHLY, Account, MemberStatus
from services.chassis.feed_batch import FeedBatch
from services.chassis.operations import Decision, Moment, Wider


def follow(states: States, batch: FeedBatch, moment: Moment[BenefitsConfig]) -> Decision | Wider:
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
                case StandingChanged():
                    wider = _change_standing(work, told, moment)
                    if wider is not None:
                        return wider
                case _:
                    _apply(work.at(batch.partition), told)
    return Decision(tuple(work.drafts.values()), answer=bytes)


def _apply(draft: Draft, told: Told) -> None:
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


def _change_standing(work: Work, told: StandingChanged, moment: Moment[BenefitsConfig]) -> Wider | None:
    """Take over where the member stands, and issue what that brings; Wider where it falls to who is not loaded.

    What a month brings is issued as of its start; all else as of now, or of the change where that is yet to come.
    """
    draft = work.of(told.member_id)
    changed, rise = standings.change(draft.intervals_of(told.member_id), told)
    draft.put_intervals(changed)
    intervals = draft.intervals_of(told.member_id)
    standing, upcoming = standings.snapshot(intervals, moment.at)
    member = draft.member(told.member_id)._replace(standing=standing, upcoming=upcoming)
    draft.members[told.member_id] = member
    then = standings.standing_of(intervals, told.effective_from)
    grants = grants_of_change(moment.config, told, rise)
    if member.leads_to is not None:
        return merges.rose_before(work, member, [grant for grant in grants if grant.cause == LEVEL_UP], then, told)
    for grant in grants:
        if is_due(grant, member, [then], told.effective_from):
            issued_at = told.effective_from if grant.cause == MONTHLY else max(moment.at, told.effective_from)
            issue_grant(draft, grant, member, issued_at, moment)
    return None
