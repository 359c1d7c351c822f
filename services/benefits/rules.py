"""What a member may use, and what falls to whom: pure decisions on values and an instant."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.benefits import errors
from services.benefits.config import Benefit, BenefitsConfig, LevelUp, Quota
from services.benefits.heard import StandingChanged
from services.benefits.merges.rules import sources_of, with_source
from services.benefits.naming import entitlement_id
from services.benefits.standings import Rise, standing_at
from services.benefits.values import (
    LEVEL_UP,
    MONTHLY,
    Account,
    Entitlement,
    EntitlementState,
    Grant,
    Member,
    MemberStatus,
    QuotaUse,
    Right,
)
from services.chassis import civil
from services.chassis.errors import Rejection

INSTANT = timedelta(microseconds=1)
"""The smallest difference between two times."""

_ACTIVE = int(MemberStatus.ACTIVE)
_GRANTED = int(EntitlementState.GRANTED)
_FOREVER = datetime.max.replace(tzinfo=UTC)


class Yes(NamedTuple):
    """A benefit may be used: by this entitlement or (None) by the quota; `uses_left` (None: endless) counts it."""

    uses_left: int | None
    entitlement_id: UUID | None = None


class No(NamedTuple):
    """A benefit may not be used; at `next_eligible_at` it may, where time alone makes it so."""

    rejection: Rejection
    next_eligible_at: datetime | None = None


def member_refusal(member: Member | None) -> Rejection | None:
    """Why a member may do nothing, whatever the benefit."""
    if member is None:
        return errors.MEMBER_UNKNOWN
    if member.status == _ACTIVE:
        return None
    if member.status == MemberStatus.UNHEARD:
        return errors.MEMBER_UNKNOWN
    return errors.MEMBER_SUSPENDED if member.status == MemberStatus.SUSPENDED else errors.MEMBER_CLOSED


def account_refusal(account: Account | None, member_id: UUID, domain: str) -> Rejection | None:
    """Why an account is not one through which a member acts in a domain."""
    if account is None:
        return errors.ACCOUNT_UNKNOWN
    if not account.linked or account.member_id != member_id or account.domain != domain:
        return errors.ACCOUNT_MISMATCH
    return None


# Use


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
        return _not_offered(benefit, now)
    if benefit.eligibility is not None and benefit.judged_at_use and not is_eligible(benefit, member, now):
        return No(benefit.eligibility.refusal)
    return None


def is_offered(benefit: Benefit, at: datetime) -> bool:
    """Whether a benefit is offered at all."""
    return (benefit.offered_from is None or benefit.offered_from <= at) and (
        benefit.offered_until is None or at < benefit.offered_until
    )


def _not_offered(benefit: Benefit, now: datetime) -> No:
    start = benefit.offered_from
    return No(
        errors.outside_validity(start, benefit.offered_until), start if start is not None and start > now else None
    )


def is_eligible(benefit: Benefit, member: Member, at: datetime) -> bool:
    """Whether a member meets a benefit's condition by the standing that covers an instant."""
    return benefit.eligibility is None or benefit.eligibility.holds(standing_at(member, at), member.enrolled_at)


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


def rights_of(entitlements: Iterable[Entitlement], now: datetime) -> list[Right]:
    """The entitlements that are not over at an instant, the first to end first."""
    live = [entitlement for entitlement in entitlements if state_at(entitlement, now) is EntitlementState.GRANTED]
    return [_right(entitlement, now) for entitlement in sorted(live, key=_ends_first)]


def _right(entitlement: Entitlement, now: datetime) -> Right:
    begins_at = entitlement.valid_from if entitlement.valid_from > now else None
    return Right(entitlement.entitlement_id, entitlement.uses_left, begins_at)


def _ends_first(entitlement: Entitlement) -> tuple[datetime, datetime, UUID]:
    return entitlement.valid_until or _FOREVER, entitlement.issued_at, entitlement.entitlement_id


def state_at(entitlement: Entitlement, now: datetime) -> EntitlementState:
    """What became of an entitlement, whether it is booked yet or not."""
    if entitlement.state == _GRANTED and entitlement.valid_until is not None and entitlement.valid_until <= now:
        return EntitlementState.EXPIRED
    return EntitlementState(entitlement.state)


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


# Issue


def lifetime(benefit: Benefit, issued_at: datetime) -> tuple[datetime, datetime | None]:
    """From when until when an entitlement is valid that is issued at an instant."""
    life = benefit.lifetime
    today = civil.civil_day(issued_at, benefit.zone)
    if life.hours:
        return issued_at, issued_at + timedelta(hours=life.hours)
    if life.days or life.months:
        last = civil.add_months(today, life.months) + timedelta(days=life.days)
        return issued_at, civil.start_of_day(last, benefit.zone)
    if life.through_month:
        return issued_at, civil.start_of_day(civil.add_months(civil.start_of_month(today), 1), benefit.zone)
    return life.starts_at or issued_at, life.ends_at


def issue(
    grant: Grant, member_id: UUID, issued_at: datetime, now: datetime, config_version: int
) -> Entitlement | Rejection:
    """The entitlement of a grant that is issued as of an instant, unless its time is over by now."""
    benefit = grant.benefit
    valid_from, valid_until = lifetime(benefit, issued_at)
    if valid_until is not None and valid_until <= now:
        return errors.outside_validity(valid_from, valid_until)
    return Entitlement(
        entitlement_id=entitlement_id(member_id, benefit.code, grant.cause, grant.reference),
        member_id=member_id,
        benefit=benefit.code,
        state=_GRANTED,
        valid_from=valid_from,
        valid_until=valid_until,
        uses_left=benefit.uses,
        issued_at=issued_at,
        cause=grant.cause,
        reference=grant.reference,
        config_version=config_version,
    )


def issue_refusal(benefit: Benefit, member: Member, now: datetime) -> Rejection | None:
    """Why a benefit is not issued to a member who is named."""
    if not benefit.is_listed:
        return errors.not_issued_to_lists(benefit.code)
    if not is_offered(benefit, now):
        return _not_offered(benefit, now).rejection
    if benefit.eligibility is not None and not is_eligible(benefit, member, now):
        return benefit.eligibility.refusal
    return None


def grants_of_change(config: BenefitsConfig, told: StandingChanged, rise: Rise) -> list[Grant]:
    """What falls to a member whose standing changes, before eligibility is judged.

    A change that takes effect with a month also brings what that month brings: its job may have looked before.
    """
    grants = [
        grant
        for benefit, way in config.level_ups.get(told.ladder, ())
        for grant in _grants_of_rise(benefit, way, told, rise)
    ]
    return grants + grants_of_month(config.monthly, told.effective_from)


def _grants_of_rise(benefit: Benefit, way: LevelUp, told: StandingChanged, rise: Rise) -> list[Grant]:
    if way.gifts == "every-rise":
        is_meant = rise.ordinal > 0 and told.level in way.levels
        return [Grant(benefit, LEVEL_UP, f"{told.ladder}:{told.level}:{rise.ordinal}")] if is_meant else []
    reached = way.ranks[rise.highest_before + 1 : rise.rank + 1]
    if way.gifts == "top-only":
        reached = reached[-1:]
    return [Grant(benefit, LEVEL_UP, f"{told.ladder}:{level}") for level in reached if level in way.levels]


def grants_of_month(monthly: Sequence[Benefit], at: datetime) -> list[Grant]:
    """What is issued at an instant because a natural month begins with it."""
    grants = []
    for benefit in monthly:
        day = civil.civil_day(at, benefit.zone)
        if day.day == 1 and civil.start_of_day(day, benefit.zone) == at:
            grants.append(Grant(benefit, MONTHLY, f"{day:%Y-%m}"))
    return grants


def is_due(grant: Grant, member: Member, standings: Iterable[str], at: datetime) -> bool:
    """Whether a grant of our own accord is issued: to a member who is active (or on the way), by any of `standings`."""
    benefit = grant.benefit
    if member.status not in (MemberStatus.ACTIVE, MemberStatus.UNHEARD) or not is_offered(benefit, at):
        return False
    if grant.cause == MONTHLY and member.enrolled_at is not None and member.enrolled_at > at:
        return False
    eligibility = benefit.eligibility
    return eligibility is None or any(eligibility.holds(standing, member.enrolled_at) for standing in standings)
