"""Pure decisions: periods, lifetimes, gifts, and which entitlement is used."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.benefits.config import Benefit, BenefitsConfig, LevelUp, Lifetime, Listed, Monthly, Quota
from services.benefits.eligibility import Eligibility
from services.benefits.entitlements.rules import (
    INSTANT,
    grants_of_change,
    grants_of_month,
    is_due,
    issue,
    lifetime,
    rights_of,
    state_at,
)
from services.benefits.heard import StandingChanged
from services.benefits.redemptions import rules
from services.benefits.standings import NOWHERE, Rise
from services.benefits.values import Entitlement, EntitlementState, Grant, Member, MemberStatus, QuotaUse
from services.chassis.ids import new_id

ZONE = ZoneInfo("America/New_York")
MEMBER = Member(new_id(5), MemberStatus.ACTIVE, None, NOWHERE, None)
NOW = datetime(2026, 3, 10, 16, tzinfo=UTC)
DAY = timedelta(days=1)


def benefit(**fields: Any) -> Benefit:
    """A coupon that anybody may use once, unless the fields say otherwise."""
    plain: dict[str, Any] = {
        "code": "coffee",
        "zone": ZONE,
        "domains": frozenset(),
        "eligibility": None,
        "judged_at_use": True,
        "offered_from": None,
        "offered_until": None,
        "ways": (Listed(),),
        "lifetime": Lifetime(),
        "uses": 1,
        "quota": None,
    }
    return Benefit(**{**plain, **fields})


def entitlement(**fields: Any) -> Entitlement:
    """One that is good for one use and has no end, unless the fields say otherwise."""
    issued = issue(Grant(benefit(), "list", ""), MEMBER.member_id, NOW - DAY, NOW, 1)
    assert isinstance(issued, Entitlement)
    return issued._replace(entitlement_id=new_id(5))._replace(**fields)


def new_york(*civil: int) -> datetime:
    """The instant of a civil time in New York."""
    return datetime(*civil, tzinfo=ZONE).astimezone(UTC)  # type: ignore[misc,arg-type]  # year, month, day, hour, minute


def judge(
    given: Benefit, at: datetime, *entitlements: Entitlement, use: QuotaUse | None = None
) -> rules.Yes | rules.No:
    return rules.judge(given, MEMBER, "cafe", at, rights_of(entitlements, at), use)


class TestQuotas:
    def test_e35_a_day_of_25_hours_is_one_day(self) -> None:
        """01:30 EDT and 01:30 EST of 2026-11-01 are an hour apart and on the same civil day."""
        daily = benefit(quota=Quota(1, "day"))
        first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
        assert judge(daily, first) == rules.Yes(1)
        use = rules.use_quota(None, MEMBER.member_id, "coffee", rules.quota_period(daily, Quota(1, "day"), first))
        second = judge(daily, first + timedelta(hours=1), use=use)
        assert isinstance(second, rules.No)
        assert second.rejection.reason == "QUOTA_EXHAUSTED"
        assert second.next_eligible_at == datetime(2026, 11, 2, 5, tzinfo=UTC)
        assert judge(daily, second.next_eligible_at, use=use) == rules.Yes(1)

    @pytest.mark.parametrize(
        ("period", "next_eligible_at"),
        [
            ("day", new_york(2026, 3, 11)),
            ("week", new_york(2026, 3, 16)),
            ("month", new_york(2026, 4, 1)),
            ("year", new_york(2027, 1, 1)),
            ("once", None),
        ],
    )
    def test_e40_an_exhausted_quota_names_the_first_instant_of_the_next_period(
        self, period: str, next_eligible_at: datetime | None
    ) -> None:
        given = benefit(quota=Quota(2, period))
        start = rules.quota_period(given, Quota(2, period), NOW)
        refused = judge(given, NOW, use=QuotaUse(MEMBER.member_id, "coffee", start, 2))
        assert isinstance(refused, rules.No)
        assert refused.next_eligible_at == next_eligible_at
        assert refused.rejection.metadata["used"] == refused.rejection.metadata["quota"] == "2"

    def test_time_alone_does_not_help_past_the_end_of_the_offer(self) -> None:
        given = benefit(quota=Quota(1, "month"), offered_until=new_york(2026, 4, 1))
        refused = judge(given, NOW, use=QuotaUse(MEMBER.member_id, "coffee", date(2026, 3, 1), 1))
        assert isinstance(refused, rules.No)
        assert refused.next_eligible_at is None

    def test_what_was_taken_from_a_past_period_goes_back_there(self) -> None:
        march = QuotaUse(MEMBER.member_id, "coffee", date(2026, 3, 1), 2)
        assert rules.return_quota(march, date(2026, 3, 1)) == march._replace(used=1)
        assert rules.return_quota(march, date(2026, 2, 1)) is None
        assert rules.return_quota(None, date(2026, 2, 1)) is None


class TestCoupons:
    def test_the_entitlement_that_ends_first_is_used_first(self) -> None:
        endless, late, soon = entitlement(), entitlement(valid_until=NOW + 9 * DAY), entitlement(valid_until=NOW + DAY)
        judged = judge(benefit(), NOW, endless, late, soon)
        assert judged == rules.Yes(3, soon.entitlement_id)
        assert judge(benefit(), NOW, endless, late) == rules.Yes(2, late.entitlement_id)

    def test_one_without_limit_makes_all_uses_unlimited(self) -> None:
        judged = judge(benefit(), NOW, entitlement(), entitlement(uses_left=None))
        assert isinstance(judged, rules.Yes)
        assert judged.uses_left is None

    def test_an_entitlement_ends_with_its_last_instant_whatever_is_booked(self) -> None:
        ending = entitlement(valid_until=NOW)
        assert state_at(ending, NOW - INSTANT) is EntitlementState.GRANTED
        assert state_at(ending, NOW) is EntitlementState.EXPIRED
        refused = judge(benefit(), NOW, ending)
        assert isinstance(refused, rules.No)
        assert refused.rejection.reason == "NOT_ENTITLED"

    def test_one_to_come_is_announced(self) -> None:
        refused = judge(benefit(), NOW, entitlement(valid_from=NOW + 2 * DAY), entitlement(valid_from=NOW + DAY))
        assert isinstance(refused, rules.No)
        assert (refused.rejection.reason, refused.next_eligible_at) == ("OUTSIDE_VALIDITY", NOW + DAY)

    @pytest.mark.parametrize(
        ("change", "state"),
        [
            ({"state": EntitlementState.REDEEMED, "uses_left": 0}, "redeemed"),
            ({"state": EntitlementState.EXPIRED}, "expired"),
            ({"valid_until": NOW}, "expired"),
            ({"state": EntitlementState.REVOKED}, "revoked"),
        ],
    )
    def test_a_named_entitlement_of_no_use_says_why(self, change: dict[str, Any], state: str) -> None:
        wanted = entitlement(**change)
        judged = rules.judge_wanted(benefit(), [entitlement(), wanted], wanted.entitlement_id, NOW)
        assert isinstance(judged, rules.No)
        assert judged.rejection.reason == "ENTITLEMENT_NOT_USABLE"
        assert judged.rejection.metadata == {"state": state}

    def test_the_last_use_redeems_and_a_returned_one_keeps_its_expiry(self) -> None:
        twice = entitlement(uses_left=2, valid_until=NOW + DAY)
        once = rules.use_entitlement(twice, 2)
        assert (once.uses_left, once.state) == (1, EntitlementState.GRANTED)
        none = rules.use_entitlement(once, 1)
        assert (none.uses_left, none.state) == (0, EntitlementState.REDEEMED)
        assert rules.return_entitlement(none, 0) == once
        booked = once._replace(state=EntitlementState.EXPIRED)
        assert rules.return_entitlement(booked, 1).state == EntitlementState.EXPIRED


class TestLifetimes:
    @pytest.mark.parametrize(
        ("life", "ends_at"),
        [
            (Lifetime(), None),
            (Lifetime(hours=36), new_york(2026, 3, 8, 1) + timedelta(hours=36)),
            (Lifetime(days=1), new_york(2026, 3, 9)),
            (Lifetime(days=30), new_york(2026, 4, 7)),
            (Lifetime(months=1), new_york(2026, 4, 8)),
            (Lifetime(months=12), new_york(2027, 3, 8)),
            (Lifetime(through_month=True), new_york(2026, 4, 1)),
        ],
    )
    def test_days_months_and_years_are_civil_and_hours_are_not(self, life: Lifetime, ends_at: datetime | None) -> None:
        """Issued an hour before the clocks go forward, on a day of 23 hours."""
        issued_at = new_york(2026, 3, 8, 1)
        assert lifetime(benefit(lifetime=life), issued_at) == (issued_at, ends_at)

    def test_a_month_from_the_31st_is_clamped(self) -> None:
        _, ends_at = lifetime(benefit(lifetime=Lifetime(months=1)), new_york(2026, 1, 31, 12))
        assert ends_at == new_york(2026, 2, 28)

    def test_fixed_instants_do_not_depend_on_the_issue(self) -> None:
        life = Lifetime(starts_at=NOW + DAY, ends_at=NOW + 2 * DAY)
        assert lifetime(benefit(lifetime=life), NOW) == (NOW + DAY, NOW + 2 * DAY)

    def test_nothing_is_issued_whose_time_is_over(self) -> None:
        over = benefit(lifetime=Lifetime(ends_at=NOW))
        refused = issue(Grant(over, "list", ""), MEMBER.member_id, NOW, NOW, 1)
        assert not isinstance(refused, Entitlement)
        assert refused.reason == "OUTSIDE_VALIDITY"


LEVELS = ("bronze", "silver", "gold", "platinum", "diamond")


def gifts(kind: Any, rise: Rise, levels: Sequence[str] = LEVELS) -> list[str]:
    """The references of what a rise brings."""
    way = LevelUp("shopper", frozenset(levels), kind, LEVELS)
    gift = benefit(ways=(way,))
    config = BenefitsConfig({"coffee": gift}, {"shopper": ((gift, way),)}, (), (ZONE,))
    told = StandingChanged(MEMBER.member_id, "shopper", LEVELS[rise.rank], rise.rank, NOW)
    return [grant.reference for grant in grants_of_change(config, told, rise)]


class TestGifts:
    def test_e25_crossing_four_levels_brings_four_gifts_or_the_topmost(self) -> None:
        jump = Rise(ordinal=1, highest_before=0, rank=4)
        crossed = ["shopper:silver", "shopper:gold", "shopper:platinum", "shopper:diamond"]
        assert gifts("all-crossed", jump) == crossed
        assert gifts("top-only", jump) == ["shopper:diamond"]
        assert gifts("all-crossed", jump, ["gold", "diamond"]) == ["shopper:gold", "shopper:diamond"]

    @pytest.mark.parametrize("kind", ["all-crossed", "top-only"])
    def test_e25_crossed_levels_count_as_given(self, kind: str) -> None:
        assert gifts(kind, Rise(ordinal=1, highest_before=4, rank=3)) == []

    def test_every_rise_brings_one_and_a_fall_none(self) -> None:
        assert gifts("every-rise", Rise(ordinal=2, highest_before=4, rank=3)) == ["shopper:platinum:2"]
        assert gifts("every-rise", Rise(ordinal=0, highest_before=4, rank=3)) == []

    def test_only_named_levels_count(self) -> None:
        assert gifts("every-rise", Rise(ordinal=1, highest_before=0, rank=1), ["gold"]) == []
        assert gifts("every-rise", Rise(ordinal=1, highest_before=0, rank=2), ["gold"]) == ["shopper:gold:1"]

    @pytest.mark.parametrize("kind", ["every-rise", "all-crossed", "top-only"])
    def test_a_level_that_the_document_does_not_have_brings_nothing(self, kind: Any) -> None:
        """Tiers may have a newer document for a moment."""
        way = LevelUp("shopper", frozenset(LEVELS[:2]), kind, LEVELS[:2])
        gift = benefit(ways=(way,))
        config = BenefitsConfig({"coffee": gift}, {"shopper": ((gift, way),)}, (), (ZONE,))
        told = StandingChanged(MEMBER.member_id, "shopper", "diamond", 4, NOW)
        assert grants_of_change(config, told, Rise(ordinal=1, highest_before=1, rank=4)) == []


class TestMonths:
    def test_a_month_begins_at_its_first_civil_instant(self) -> None:
        monthly = benefit(ways=(Monthly(),))
        (grant,) = grants_of_month([monthly], new_york(2026, 4, 1))
        assert grant.reference == "2026-04"
        assert grants_of_month([monthly], new_york(2026, 4, 1) + INSTANT) == []
        assert grants_of_month([monthly], datetime(2026, 4, 1, tzinfo=UTC)) == []

    def test_who_enrolled_later_gets_nothing_for_the_month_before(self) -> None:
        grant = Grant(benefit(ways=(Monthly(),)), "monthly", "2026-03")
        assert not is_due(grant, MEMBER._replace(enrolled_at=NOW + DAY), [NOWHERE], NOW)
        assert is_due(grant, MEMBER._replace(enrolled_at=NOW), [NOWHERE], NOW)

    @pytest.mark.parametrize("status", [MemberStatus.SUSPENDED, MemberStatus.CLOSED])
    def test_suspended_and_closed_members_get_nothing(self, status: MemberStatus) -> None:
        grant = Grant(benefit(ways=(Monthly(),)), "monthly", "2026-03")
        assert not is_due(grant, MEMBER._replace(status=status), [NOWHERE], NOW)


class TestEligibility:
    GOLD = '[["shopper","gold",2]]'

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ("true", True),
            ('level.diner == "guest" && rank.diner == 0', True),
            ('level["shopper"] == "gold"', True),
            ('level.shopper in ["gold", "platinum"]', True),
            ("rank.shopper > 2", False),
            ('level.traveller == "bronze"', False),
            ('level.traveller != "bronze"', False),
            ('level.traveller == "bronze" || rank.shopper >= 2', True),
            ('"traveller" in level', False),
            ('member.enrolled_at < timestamp("2026-01-01T00:00:00Z")', True),
        ],
    )
    def test_conditions_over_levels_ranks_and_enrolment(self, condition: str, holds: bool) -> None:
        eligibility = Eligibility(condition, {"diner": "guest", "shopper": "bronze"})
        for _ in range(2):
            assert eligibility.holds(self.GOLD, datetime(2025, 5, 1, tzinfo=UTC)) is holds

    def test_what_is_not_known_does_not_hold(self) -> None:
        condition = Eligibility('member.enrolled_at < timestamp("2026-01-01T00:00:00Z")', {})
        assert not condition.holds(NOWHERE, None)
        assert condition.holds(NOWHERE, datetime(2025, 5, 1, tzinfo=UTC))
        assert not Eligibility("rank.shopper >= 0", {}).holds(NOWHERE, None)
