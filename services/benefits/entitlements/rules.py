"""What falls to whom, how long it is valid, and what became of it: pure decisions on values and an instant."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.benefits import errors
from services.benefits.config import Benefit, BenefitsConfig, LevelUp
from services.benefits.heard import StandingChanged
from services.benefits.naming import entitlement_id
from services.benefits.rules import is_eligible, is_offered, not_offered
from services.benefits.standings import Rise
from services.benefits.values import (
    LEVEL_UP,
    MONTHLY,
    Entitlement,
    EntitlementState,
    Grant,
    Member,
    MemberStatus,
    Right,
)
from services.chassis import civil
from services.chassis.errors import Rejection

INSTANT = timedelta(microseconds=1)
"""The smallest difference between two times."""
_GRANTED = int(EntitlementState.GRANTED)
_FOREVER = datetime.max.replace(tzinfo=UTC)


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
        return not_offered(benefit)
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
