"""Whether a member may use a benefit, by what, and what that leaves: pure decisions on values and an instant."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.benefits import errors
from services.benefits.config import Benefit, Quota
from services.benefits.entitlements.rules import rights_of, state_at
from services.benefits.merges.rules import sources_of, with_source
from services.benefits.rules import is_eligible, is_offered, not_offered
from services.benefits.values import (
    Entitlement,
    EntitlementState,
    Member,
    QuotaUse,
    Right,
)
from services.chassis import civil
from services.chassis.errors import Rejection

_GRANTED = int(EntitlementState.GRANTED)


class Yes(NamedTuple):
    """A benefit may be used: by this entitlement or (None) by the quota; `uses_left` (None: endless) counts it."""

    uses_left: int | None
    entitlement_id: UUID | None = None


class No(NamedTuple):
    """A benefit may not be used; at `next_eligible_at` it may, where time alone makes it so."""

    rejection: Rejection
    next_eligible_at: datetime | None = None


def judge(
    benefit: Benefit, member: Member, domain: str, now: datetime, rights: Sequence[Right], use: QuotaUse | None
) -> Yes | No:
    """Whether a member may use a benefit now in a domain ("": the domain does not matter), and by what.

    `rights` are what it may use by (rights_of); `use` is what was used of its quota.
    """
    refusal = benefit_refusal(benefit, member, domain, now)
    if refusal is not None:
        return refusal
    if benefit.quota is not None:
        return _judge_quota(benefit, benefit.quota, use, now)
    return _judge_coupon(benefit, rights)


def benefit_refusal(benefit: Benefit, member: Member, domain: str, now: datetime) -> No | None:
    """Why a member may not use a benefit now in a domain, whatever it has of it."""
    if domain and benefit.domains and domain not in benefit.domains:
        return No(errors.domain_not_in_scope(benefit.code, benefit.domains))
    if not is_offered(benefit, now):
        start = benefit.offered_from
        return No(not_offered(benefit), start if start is not None and start > now else None)
    if benefit.eligibility is not None and benefit.judged_at_use and not is_eligible(benefit, member, now):
        return No(benefit.eligibility.refusal)
    return None


def quota_period(benefit: Benefit, quota: Quota, at: datetime) -> date:
    """The first day of the period that counts at an instant."""
    return _period(benefit.zone, quota.period, at)


@lru_cache(maxsize=256)
def _period(zone: ZoneInfo, period: str, at: datetime) -> date:
    """Remembered, since all questions of a call are asked at one instant."""
    return civil.period_start(civil.civil_day(at, zone), period)


def _judge_quota(benefit: Benefit, quota: Quota, use: QuotaUse | None, now: datetime) -> Yes | No:
    period = quota_period(benefit, quota, now)
    used = use.used if use is not None and use.period_start == period else 0
    if used < quota.uses:
        return Yes(quota.uses - used)
    following = _next_period(benefit, quota, period)
    if following is not None and not is_offered(benefit, following):
        following = None
    return No(errors.quota_exhausted(quota.uses, used, following), following)


def _next_period(benefit: Benefit, quota: Quota, period: date) -> datetime | None:
    following = civil.period_end(period, quota.period)
    if following is None:
        return None
    return civil.start_of_day(following, benefit.zone)


def _judge_coupon(benefit: Benefit, rights: Sequence[Right]) -> Yes | No:
    usable = [right for right in rights if right.begins_at is None]
    if usable:
        return Yes(_uses_left(usable), usable[0].entitlement_id)
    begins_at = min((right.begins_at for right in rights if right.begins_at is not None), default=None)
    return _NOT_ENTITLED if begins_at is None else _not_yet(benefit, begins_at)


_NOT_ENTITLED = No(errors.NOT_ENTITLED)


def _not_yet(benefit: Benefit, begins_at: datetime) -> No:
    return No(errors.outside_validity(begins_at, None), begins_at if is_offered(benefit, begins_at) else None)


def judge_wanted(benefit: Benefit, entitlements: Sequence[Entitlement], wanted: UUID, now: datetime) -> Yes | No:
    """Whether a member may use a coupon by the entitlement that it names, of those that it has."""
    entitlement = next((e for e in entitlements if e.entitlement_id == wanted), None)
    if entitlement is None:
        return No(errors.entitlement_not_usable("unknown"))
    state = state_at(entitlement, now)
    if state is not EntitlementState.GRANTED:
        return No(errors.entitlement_not_usable(state.name.lower()))
    if entitlement.valid_from > now:
        return _not_yet(benefit, entitlement.valid_from)
    return Yes(_uses_left([right for right in rights_of(entitlements, now) if right.begins_at is None]), wanted)


def _uses_left(usable: Iterable[Right]) -> int | None:
    total = 0
    for right in usable:
        if right.uses_left is None:
            return None
        total += right.uses_left
    return total


def use_entitlement(entitlement: Entitlement, uses_left: int) -> Entitlement:
    """An entitlement with so many uses left, used once more."""
    left = uses_left - 1
    return entitlement._replace(uses_left=left, state=_GRANTED if left else EntitlementState.REDEEMED)


def return_entitlement(entitlement: Entitlement, uses_left: int) -> Entitlement:
    """An entitlement with so many uses left, of which one was taken back. It keeps its expiry."""
    state = _GRANTED if entitlement.state == EntitlementState.REDEEMED else entitlement.state
    return entitlement._replace(uses_left=uses_left + 1, state=state)


def use_quota(
    use: QuotaUse | None, member_id: UUID, benefit: str, period: date, account_id: UUID | None = None
) -> QuotaUse:
    """A quota used once more, through an account or none; a new period begins at nothing."""
    if use is None or use.period_start != period:
        use = QuotaUse(member_id, benefit, period, 0)
    use = use._replace(used=use.used + 1)
    return use if account_id is None else with_source(use, account_id, 1)


def return_quota(use: QuotaUse | None, period: date, source: UUID | None = None) -> QuotaUse | None:
    """A quota of which a use was taken back in the period it was taken from; None when that period is past.

    `source` is the account that it came through, or the member that was merged; None too when nothing is left of that.
    """
    if use is None or use.period_start != period:
        return None
    sources = sources_of(use)
    if source is not None and sources.get(source.hex):
        return with_source(use._replace(used=use.used - 1), source, -1)
    return use._replace(used=use.used - 1) if use.used > sum(sources.values()) else None
