"""When points can be spent and when they expire: every policy, in civil time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis.civil import civil_day
from services.points.specs import UnitSpec
from services.points.units import Unit
from tests.points.builders import SHANGHAI, local

NEW_YORK = ZoneInfo("America/New_York")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
CAIRO = ZoneInfo("Africa/Cairo")


def a_unit(zone: ZoneInfo = SHANGHAI, **spec: Any) -> Unit:
    return Unit("points", "shop", zone, "CNY", UnitSpec(name="Points", kind="spendable", **spec))


@pytest.mark.parametrize(
    ("expiry", "earned", "expires"),
    [
        ({"policy": "duration", "days": 1}, "2026-03-10 23:59", "2026-03-11"),
        ({"policy": "duration", "days": 180}, "2026-01-01 08:00", "2026-06-30"),
        ({"policy": "duration", "months": 1}, "2026-01-31 12:00", "2026-02-28"),
        ({"policy": "duration", "months": 1}, "2028-01-31 12:00", "2028-02-29"),
        ({"policy": "duration", "months": 13}, "2026-01-31", "2027-02-28"),
        ({"policy": "duration", "years": 1}, "2024-02-29 10:00", "2025-02-28"),
        ({"policy": "duration", "years": 4}, "2024-02-29 10:00", "2028-02-29"),
        ({"policy": "duration", "days": 365}, "2024-02-29 10:00", "2025-02-28"),
        ({"policy": "end-of-month", "months": 0}, "2026-02-28 23:59:59", "2026-03-01"),
        ({"policy": "end-of-month", "months": 1}, "2026-01-31", "2026-03-01"),
        ({"policy": "end-of-month", "months": 12}, "2026-12-01", "2028-01-01"),
        ({"policy": "end-of-quarter", "quarters": 0}, "2026-03-31", "2026-04-01"),
        ({"policy": "end-of-quarter", "quarters": 1}, "2026-11-15", "2027-04-01"),
        ({"policy": "end-of-year", "years": 0}, "2026-12-31 23:59:59", "2027-01-01"),
        ({"policy": "end-of-year", "years": 1}, "2024-12-31 23:59:59", "2026-01-01"),
    ],
)
def test_points_expire_at_the_start_of_a_civil_day(expiry: dict[str, Any], earned: str, expires: str) -> None:
    assert a_unit(expiry=expiry).expires_at(local(earned)) == local(expires)


def test_points_without_a_policy_never_expire() -> None:
    assert a_unit().expires_at(local("2026-01-01")) is None


@pytest.mark.parametrize(
    ("zone", "earned", "days", "expires"),
    [
        # The day on which New York's clocks go forward has 23 hours, the one on which they go back 25.
        (NEW_YORK, "2026-03-07 12:00", 1, datetime(2026, 3, 8, 5, tzinfo=UTC)),
        (NEW_YORK, "2026-03-08 12:00", 1, datetime(2026, 3, 9, 4, tzinfo=UTC)),
        (NEW_YORK, "2026-11-01 01:30", 1, datetime(2026, 11, 2, 5, tzinfo=UTC)),
        # Where the clocks go forward at midnight, the day begins at one o'clock.
        (SAO_PAULO, "2018-11-03 12:00", 1, datetime(2018, 11, 4, 3, tzinfo=UTC)),
        (CAIRO, "2026-04-23 12:00", 1, datetime(2026, 4, 23, 22, tzinfo=UTC)),
    ],
)
def test_days_are_those_of_the_zone_whatever_its_clocks_do(
    zone: ZoneInfo, earned: str, days: int, expires: datetime
) -> None:
    unit = a_unit(zone, expiry={"policy": "duration", "days": days})
    assert unit.expires_at(local(earned, zone)) == expires
    assert civil_day(expires, zone) == civil_day(local(earned, zone), zone) + timedelta(days=days)


def test_pending_days_end_at_the_start_of_a_civil_day_and_expiry_counts_from_there() -> None:
    unit = a_unit(pending_days=7, expiry={"policy": "end-of-month", "months": 0})
    available = unit.available_at(local("2026-01-27 15:00"))
    assert available == local("2026-02-03")
    assert unit.expires_at(available) == local("2026-03-01")


def test_without_pending_days_points_can_be_spent_at_once() -> None:
    assert a_unit().available_at(local("2026-01-27 15:00")) == local("2026-01-27 15:00")


ZONES = st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/London", "Africa/Cairo", "Pacific/Apia", "UTC"])
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
EXPIRIES = st.one_of(
    st.builds(lambda n: {"policy": "duration", "days": n}, st.integers(1, 800)),
    st.builds(lambda n: {"policy": "duration", "months": n}, st.integers(1, 40)),
    st.builds(lambda n: {"policy": "end-of-month", "months": n}, st.integers(0, 24)),
    st.builds(lambda n: {"policy": "end-of-quarter", "quarters": n}, st.integers(0, 8)),
    st.builds(lambda n: {"policy": "end-of-year", "years": n}, st.integers(0, 3)),
)


@settings(deadline=None)
@given(ZONES, INSTANTS, EXPIRIES)
def test_points_live_until_the_first_instant_of_a_later_day(zone: str, at: datetime, expiry: dict[str, Any]) -> None:
    unit = a_unit(ZoneInfo(zone), expiry=expiry)
    expires = unit.expires_at(at)
    assert expires is not None
    assert expires > at
    day = civil_day(expires, unit.zone)
    assert civil_day(expires - timedelta(microseconds=1), unit.zone) < day
    assert day > civil_day(at, unit.zone)


@settings(deadline=None)
@given(ZONES, st.lists(INSTANTS, min_size=2, max_size=6), EXPIRIES)
def test_points_earned_later_do_not_expire_earlier(zone: str, instants: list[datetime], expiry: dict[str, Any]) -> None:
    unit = a_unit(ZoneInfo(zone), expiry=expiry)
    expiries = [unit.expires_at(at) for at in sorted(instants)]
    assert expiries == sorted(expiries, key=lambda at: at or datetime.max)


@settings(deadline=None)
@given(INSTANTS, INSTANTS, st.integers(1, 400))
def test_min_validity_is_the_later_of_the_original_and_so_many_days(
    original: datetime, now: datetime, days: int
) -> None:
    unit = a_unit(refund="min-validity", min_validity_days=days)
    restored = unit.restored_expiry(original, now)
    assert restored >= original
    assert (restored - now) > timedelta(days=days - 1) - timedelta(hours=2)
    assert a_unit().restored_expiry(original, now) == original


def test_a_day_in_the_past_is_one_too() -> None:
    assert a_unit(expiry={"policy": "duration", "days": 1}).expires_at(local("1970-06-01")) == local(
        str(date(1970, 6, 2))
    )
