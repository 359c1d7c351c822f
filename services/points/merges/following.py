"""What points does when identity tells that members were merged or unmerged.

A merge makes links alone: whose wallets are one person's. An unmerge parts them again, once it has given back what is
the member's that leaves.
"""

from services.points.heard import MergeHeard, UnmergeHeard
from services.points.merges import counts, parting
from services.points.merges.values import Merge
from services.points.state_by_partition import StateByPartition
from services.points.values import Account


def merged(states: StateByPartition, heard: MergeHeard) -> None:
    """The wallets of both are one person's from now on."""
    survivor = states.of_member(heard.survivor_id)
    link = survivor.link(heard.survivor_id)
    survivor.put_merge(Merge(heard.merge_id, heard.survivor_id, heard.merged_ids, is_checked=False))
    came = {account.account_id for account in heard.accounts}
    gone = tuple(pair for pair in link.gone if pair[0] not in came)
    survivor.put_link(link._replace(merged=tuple(sorted({*link.merged, *heard.merged_ids})), gone=gone))
    for merged_id in heard.merged_ids:
        state = states.of_member(merged_id)
        state.put_link(state.link(merged_id)._replace(leads_to=heard.survivor_id, merged=()))
    for account in heard.accounts:
        survivor.put_account(Account(account.account_id, heard.survivor_id, account.domain, True))


def counted_apart(states: StateByPartition, heard: UnmergeHeard) -> None:
    """What accounts drew on caps counts for whom they belong to from now on."""
    leaving = {heard.member_id, *(heard.absorbed_ids if heard.whole else ())}
    accounts = {account.account_id for account in heard.accounts}
    member, holder = states.of_member(heard.member_id), states.of_member(heard.holder_id)
    for other_id in parting.person(states, heard):
        if other_id not in leaving:
            counts.move(states.of_member(other_id), other_id, member, heard.member_id, accounts.__contains__)
    stays = parting.stays(states, heard)
    for each in parting.leaving_whole(states, heard):
        counts.move(states.of_member(each), each, holder, heard.holder_id, stays)
    if not heard.whole and parting.leaves(states, heard):
        staying = set(heard.staying)
        counts.move(member, heard.member_id, holder, heard.holder_id, staying.__contains__)


def unmerged(states: StateByPartition, heard: UnmergeHeard) -> None:
    """Who belongs together from now on, and whose accounts they are."""
    leaving = (heard.member_id, *(heard.absorbed_ids if heard.whole else ()))
    holder = states.of_member(heard.holder_id)
    link = holder.link(heard.holder_id)
    gone = dict(link.gone) | {account.account_id: heard.member_id for account in heard.accounts}
    merged_still = tuple(each for each in link.merged if each not in leaving)
    holder.put_link(link._replace(merged=merged_still, gone=tuple(sorted(gone.items()))))
    member = states.of_member(heard.member_id)
    absorbed = heard.absorbed_ids if heard.whole else ()
    back = {account.account_id for account in heard.accounts}
    own = member.link(heard.member_id)
    # What left while the member was the holder's left its wallets, too.
    left = (*(link.gone if parting.leaves(states, heard) else ()), *own.gone)
    gone_still = {account_id: home for account_id, home in left if account_id not in back and home != heard.member_id}
    gone_still |= dict.fromkeys(heard.staying, heard.holder_id)
    merged = tuple(sorted({*own.merged, *absorbed}))
    member.put_link(own._replace(leads_to=None, merged=merged, gone=tuple(sorted(gone_still.items()))))
    for each in absorbed:
        state = states.of_member(each)
        state.put_link(state.link(each)._replace(leads_to=heard.member_id))
    for account in heard.accounts:
        of_account = Account(account.account_id, heard.member_id, account.domain, True)
        holder.put_account(of_account)
        member.put_account(of_account)
