"""What benefits does when members are merged, unmerged or erased.

What a member has and used goes to the survivor with whom it came from, and back again. What is told in one partition
changes all that it concerns in the others too, so that their halves have nothing left to do.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from uuid import UUID

from services.benefits import events
from services.benefits.entitlements.operations import issue_grant
from services.benefits.entitlements.rules import is_due
from services.benefits.heard import StandingChanged
from services.benefits.merges import rules
from services.benefits.merges.commands import LoadPersons
from services.benefits.merges.values import ErasureHeard, MergeHeard, MovedAccount, Outcome, QuotaMoved, UnmergeHeard
from services.benefits.states import Work
from services.benefits.values import Account, Entitlement, EntitlementState, Grant, Member, MemberStatus
from services.chassis import ids
from services.chassis.operations import Wider


def merged(work: Work, heard: MergeHeard) -> Outcome:
    """What both have and used is one member's."""
    survivor_id, merged_id = heard.survivor_id, heard.merged_id
    moved = _pass_entitlements(work, merged_id, survivor_id, lambda entitlement: True)
    quotas = _pass_quotas(work, merged_id, survivor_id, lambda source: True)
    revoked, restored = _settle_once(work, survivor_id, heard.merge_id)
    _place_accounts(work, heard.accounts, survivor_id, heard.member_ids)
    coming = heard.member_ids[1:]
    draft = work.of(survivor_id)
    survivor = draft.member(survivor_id)
    draft.put_member(survivor._replace(merged=ids.joined(sorted({*survivor.merged_ids(), *coming}))))
    for each in coming:
        draft = work.of(each)
        draft.put_member(draft.member(each)._replace(status=MemberStatus.MERGED, leads_to=survivor_id, merged=None))
    return Outcome(moved, revoked, restored, quotas)


def unmerged(work: Work, heard: UnmergeHeard) -> Outcome:
    """What came through the accounts that go is the member's again; with `whole` all that was issued to it, too.

    Entitlements came through no account.
    """
    holder_id, member_id = heard.holder_id, heard.member_id
    leaving = {member_id, *heard.absorbed_ids} if heard.whole else set()
    going = leaving | {account.account_id for account in heard.accounts}
    moved = _pass_entitlements(work, holder_id, member_id, lambda entitlement: entitlement.origin_id in leaving)
    quotas = _pass_quotas(work, holder_id, member_id, going.__contains__)
    changed = [_settle_once(work, each, heard.merge_id) for each in (holder_id, member_id)]
    _place_accounts(work, heard.accounts, member_id, heard.member_ids)
    _part(work, heard)
    revoked, restored = ([each for pair in changed for each in pair[place]] for place in (0, 1))
    return Outcome(moved, tuple(revoked), tuple(restored), quotas)


def rose_before(
    work: Work, member: Member, grants: Iterable[Grant], standing: str, told: StandingChanged
) -> Wider | None:
    """What falls to a member by a rise of before its merge that is heard of after it is the survivor's; Wider
    where that one is not loaded."""
    assert member.leads_to is not None, "it was merged"
    as_served = member._replace(status=work.of(member.leads_to).member(member.leads_to).status)
    due = [grant for grant in grants if is_due(grant, as_served, [standing], told.effective_from)]
    if due and member.leads_to not in work.state_of(member.leads_to).whole:
        return Wider(LoadPersons((member.leads_to,)))
    for grant in due:
        issue_grant(work.of(member.member_id), grant, member, work.moment.at, work.moment)
    _pass_entitlements(work, member.member_id, member.leads_to, lambda each: each.state == EntitlementState.GRANTED)
    _settle_once(work, member.leads_to, None)
    return None


def erased(work: Work, heard: ErasureHeard) -> Outcome:
    """What is left is forfeited, and nothing is issued or used any more."""
    draft = work.of(heard.member_id)
    forfeited = [each for each in draft.entitlements_of(heard.member_id) if each.state == EntitlementState.GRANTED]
    for entitlement in forfeited:
        revoked = entitlement._replace(state=int(EntitlementState.REVOKED))
        draft.entitlements[entitlement.entitlement_id] = revoked
        draft.events.append(events.entitlement_revoked(revoked, work.moment.at, None))
    draft.put_member(draft.member(heard.member_id)._replace(status=MemberStatus.ERASED))
    return Outcome({}, tuple(each.entitlement_id for each in forfeited), (), ())


def _pass_entitlements(
    work: Work, giver_id: UUID, receiver_id: UUID, goes: Callable[[Entitlement], bool]
) -> dict[str, int]:
    giver, receiver = work.of(giver_id), work.of(receiver_id)
    going = [each for each in giver.entitlements_of(giver_id) if goes(each)]
    for entitlement in going:
        if not work.is_same_partition(giver_id, receiver_id):
            giver.entitlements[entitlement.entitlement_id] = rules.left_behind(entitlement, receiver_id)
        passed = rules.passed_on(entitlement, giver_id, receiver_id)
        receiver.entitlements[entitlement.entitlement_id] = passed
    return dict(sorted(Counter(each.benefit for each in going).items()))


def _pass_quotas(work: Work, giver_id: UUID, receiver_id: UUID, goes: Callable[[UUID], bool]) -> tuple[QuotaMoved, ...]:
    giver, receiver = work.of(giver_id), work.of(receiver_id)
    moved = []
    for use in giver.quota_uses_of(giver_id):
        passed = rules.pass_uses(use, receiver.quota_use(receiver_id, use.benefit), receiver_id, goes)
        if passed is not None:
            giver.put_quota_use(passed.giver)
            receiver.put_quota_use(passed.receiver)
            moved.append(QuotaMoved(use.benefit, passed.moved, passed.receiver.used))
    return tuple(moved)


def _settle_once(work: Work, member_id: UUID, merge_id: UUID | None) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """Revoke and grant again what can be had only once; the entitlements that were."""
    draft = work.of(member_id)
    revoked, restored = [], []
    for changed in rules.settled_once(draft.entitlements_of(member_id), work.moment.config.benefits):
        draft.entitlements[changed.entitlement_id] = changed
        if changed.state == EntitlementState.REVOKED:
            revoked.append(changed.entitlement_id)
            draft.events.append(events.entitlement_revoked(changed, work.moment.at, merge_id))
        else:
            restored.append(changed.entitlement_id)
            draft.events.append(events.entitlement_restored(changed, work.moment.at))
    return tuple(revoked), tuple(restored)


def _place_accounts(work: Work, accounts: Iterable[MovedAccount], holder_id: UUID, member_ids: Iterable[UUID]) -> None:
    """Note whose accounts are from now on, wherever something may come through them."""
    partitions = {work.moment.partition_of(each.int) for each in member_ids}
    for account in accounts:
        for partition in partitions:
            draft = work.at(partition)
            draft.accounts[account.account_id] = Account(account.account_id, holder_id, account.domain, True)


def _part(work: Work, heard: UnmergeHeard) -> None:
    leaving = (heard.member_id, *(heard.absorbed_ids if heard.whole else ()))
    draft = work.of(heard.holder_id)
    holder = draft.member(heard.holder_id)
    staying = [each for each in holder.merged_ids() if each not in leaving]
    draft.put_member(holder._replace(merged=ids.joined(staying) if staying else None))
    draft = work.of(heard.member_id)
    member = draft.member(heard.member_id)
    status = member.status if member.leads_to is None else holder.status
    absorbed = ids.joined(sorted({*member.merged_ids(), *leaving[1:]})) or None
    draft.put_member(member._replace(status=status, leads_to=None, merged=absorbed))
    for each in leaving[1:]:
        draft = work.of(each)
        draft.put_member(draft.member(each)._replace(leads_to=heard.member_id))
