"""What a person keeps of what its members have, and what each of them has again. Pure.

Entitlements and uses stay with the member that they came to, and count for the person. What may be there only once for
a person is taken from all members but one, and is there again when they part. Sources: model.md "Merge", "Unmerge";
E66, E71.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from services.benefits.rules import state_at
from services.benefits.values import Benefit, Entitlement, EntitlementState, QuotaUse, Redemption

_FOREVER = datetime.max.replace(tzinfo=UTC)


def taken(
    benefits: Iterable[Benefit], entitlements: Sequence[Entitlement], by: UUID, now: datetime
) -> list[Entitlement]:
    """The unused rights that a merge takes of the entitlements of a person, as they become.

    Where one was used, all that were not go; else the one stays that can be used the longest.
    """
    revoked: list[Entitlement] = []
    for benefit in benefits:
        groups: dict[tuple[str, str], list[Entitlement]] = {}
        for entitlement in entitlements:
            if entitlement.benefit == benefit.code:
                same = (entitlement.cause, entitlement.reference) if benefit.at_merge == "one-of-each" else ("", "")
                groups.setdefault(same, []).append(entitlement)
        for group in groups.values():
            revoked += _all_but_one(benefit, group, now)
    return [each._replace(state=int(EntitlementState.REVOKED), revoked_by=by) for each in revoked]


def _all_but_one(benefit: Benefit, group: Sequence[Entitlement], now: datetime) -> list[Entitlement]:
    used = [each for each in group if _is_used(benefit, each)]
    unused = [each for each in group if each not in used and state_at(each, now) is EntitlementState.GRANTED]
    if used or not unused:
        return unused
    kept = min(
        unused, key=lambda each: (_FOREVER - (each.valid_until or _FOREVER), each.issued_at, each.entitlement_id)
    )
    return [each for each in unused if each is not kept]


def _is_used(benefit: Benefit, entitlement: Entitlement) -> bool:
    if entitlement.state == EntitlementState.REDEEMED:
        return True
    return benefit.uses is not None and entitlement.uses_left is not None and entitlement.uses_left < benefit.uses


def given_back(entitlements: Iterable[Entitlement], merge_id: UUID) -> list[Entitlement]:
    """What a merge had taken, as it is again when the merge is undone."""
    return [
        each._replace(state=int(EntitlementState.GRANTED), revoked_by=None)
        for each in entitlements
        if each.revoked_by == merge_id
    ]


def counted_anew(
    uses: Sequence[QuotaUse], redemptions: Iterable[Redemption], owner_of: Callable[[Redemption], UUID | None]
) -> list[QuotaUse]:
    """What each member has used of quotas when every use counts for the one whose it is from now on; what changes.

    `uses` are those of all members of a person, `redemptions` all that they used; some count for none of them any more.
    """
    last: dict[str, date] = {}
    for use in uses:
        last[use.benefit] = max(last.get(use.benefit, use.period_start), use.period_start)
    counted: dict[tuple[UUID, str], int] = {}
    for made in redemptions:
        owner_id = owner_of(made)
        if owner_id is not None and made.period_start is not None and last.get(made.benefit) == made.period_start:
            key = (owner_id, made.benefit)
            counted[key] = counted.get(key, 0) + 1
    before = {(use.member_id, use.benefit): use for use in uses}
    current = {key for key, use in before.items() if use.period_start == last[use.benefit]}
    after = [
        QuotaUse(member_id, benefit, last[benefit], counted.get((member_id, benefit), 0))
        for member_id, benefit in sorted({*current, *counted})
    ]
    return [use for use in after if before.get((use.member_id, use.benefit)) != use]
