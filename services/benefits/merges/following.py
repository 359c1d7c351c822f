"""What benefits does when identity tells that members were merged or unmerged."""

from collections.abc import Sequence
from uuid import UUID

from services.benefits import events
from services.benefits.merges import rules
from services.benefits.merges.commands import LoadMembers
from services.benefits.state import Draft
from services.benefits.values import Account, BenefitsConfig, Entitlement, Merged, QuotaUse, Redemption, Unmerged
from services.chassis.ids import routing_of
from services.chassis.operations import Moment, Wider


def merged(draft: Draft, told: Merged, moment: Moment[BenefitsConfig]) -> Wider | None:
    """Members are one person from now on: what may be there once is taken from all but one of them."""
    if moment.config.once and (wider := missing(draft, united(draft, told.survivor_id, told.merged_ids))):
        return wider
    for entitlement in taken(draft, told.merge_id, united(draft, told.survivor_id, told.merged_ids), moment):
        draft.entitlements[entitlement.entitlement_id] = entitlement
        draft.events.append((entitlement.member_id, events.entitlement_revoked(entitlement, moment.at)))
    survivor = draft.link(told.survivor_id)
    came = {account_id for account_id, _ in told.accounts}
    gone = tuple(pair for pair in survivor.gone if pair[0] not in came)
    draft.put_link(survivor._replace(merged=tuple(sorted({*survivor.merged, *told.merged_ids})), gone=gone))
    for merged_id in told.merged_ids:
        draft.put_link(draft.link(merged_id)._replace(leads_to=told.survivor_id, merged=()))
    for account_id, domain in told.accounts:
        draft.put_account(told.survivor_id, Account(account_id, told.survivor_id, domain, True))
    return None


def united(draft: Draft, survivor_id: UUID, merged_ids: Sequence[UUID]) -> tuple[UUID, ...]:
    """Everybody who is one person when members are merged into another one."""
    return tuple(dict.fromkeys((*draft.person(survivor_id), *merged_ids)))


def missing(draft: Draft, member_ids: Sequence[UUID]) -> Wider | None:
    """What has to be loaded before it can be decided on all that members have."""
    absent = tuple(each for each in member_ids if not draft.is_loaded(each))
    return Wider(LoadMembers(absent)) if absent else None


def taken(draft: Draft, merge_id: UUID, person: Sequence[UUID], moment: Moment[BenefitsConfig]) -> list[Entitlement]:
    """The rights that a merge takes."""
    if not moment.config.once:
        return []
    entitlements = [entitlement for each in person for entitlement in draft.entitlements_of(each)]
    return rules.taken(moment.config.once, entitlements, merge_id, moment.at)


def unmerged(draft: Draft, told: Unmerged, moment: Moment[BenefitsConfig]) -> Wider | None:
    """A member has again what is its own, and what was used through its accounts counts for it."""
    person = parting(draft, told)
    if wider := missing(draft, person):
        return wider
    draft.quota_uses += counted_anew(draft, told, person)
    for entitlement in given_back(draft, told, person):
        draft.entitlements[entitlement.entitlement_id] = entitlement
        draft.events.append((entitlement.member_id, events.entitlement_restored(entitlement, moment.at)))
    leaving = (told.member_id, *(told.absorbed_ids if told.whole else ()))
    holder, member = draft.link(told.holder_id), draft.link(told.member_id)
    gone = dict(holder.gone) | {account_id: told.member_id for account_id, _ in told.accounts}
    back = {account_id for account_id, _ in told.accounts}
    stay = tuple(each for each in holder.merged if each not in leaving)
    draft.put_link(holder._replace(merged=stay, gone=tuple(sorted(gone.items()))))
    absorbed = tuple(sorted(told.absorbed_ids)) if told.whole else ()
    still = tuple(pair for pair in member.gone if pair[0] not in back)
    draft.put_link(member._replace(leads_to=None, merged=absorbed, gone=still))
    for each in absorbed:
        draft.put_link(draft.link(each)._replace(leads_to=told.member_id))
    for account_id, domain in told.accounts:
        for partition_of in (told.holder_id, told.member_id):
            draft.put_account(partition_of, Account(account_id, told.member_id, domain, True))
    return None


def parting(draft: Draft, told: Unmerged) -> tuple[UUID, ...]:
    """Everybody who is one person until now; also who left account by account before."""
    return tuple(dict.fromkeys((*draft.person(told.holder_id), told.member_id)))


def given_back(draft: Draft, told: Unmerged, person: Sequence[UUID]) -> list[Entitlement]:
    """The rights that the merge took, when nothing of it is left."""
    if not told.whole:
        return []
    return rules.given_back((each for one in person for each in draft.entitlements_of(one)), told.merge_id)


def counted_anew(draft: Draft, told: Unmerged, person: Sequence[UUID]) -> list[QuotaUse]:
    """What each member has used of quotas from now on.

    Through accounts that go: the one that leaves. Through others, or none: whoever it was counted for before, where
    that one leaves with all it had; else who stays.
    """
    going = {account_id for account_id, _ in told.accounts}
    gone = dict(draft.link(told.holder_id).gone)
    stands_alone = told.member_id not in draft.person(told.holder_id)
    leaving = {told.member_id, *(told.absorbed_ids if told.whole else ())}
    homes = {routing_of(each) for each in leaving}

    def owner_of(made: Redemption) -> UUID | None:
        if made.account_id in going:
            return made.member_id if made.member_id in leaving else told.member_id
        if made.member_id not in leaving:
            return None if made.account_id in gone else made.member_id
        if stands_alone:
            return made.member_id
        goes = told.whole and (made.account_id is None or routing_of(made.account_id) in homes)
        return made.member_id if goes else told.holder_id

    uses = [use for each in person for use in draft.quota_uses_of(each)]
    made = [redemption for each in person for redemption in draft.quota_redemptions_of(each)]
    return rules.counted_anew(uses, made, owner_of)
