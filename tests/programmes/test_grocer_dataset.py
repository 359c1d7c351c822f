"""The real year as it is sent: what the data set holds, what is odd about it, and how it falls into days."""

from bisect import bisect_right
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tessera.grocer import Account, Day, Line, Year, days, load
from tessera.grocer.departments import DOMAINS, domain_of
from tests.programmes import grocer_reference


@pytest.fixture(scope="module")
def year() -> Year:
    return load()


@pytest.fixture(scope="module")
def by_day(year: Year) -> dict[date, Day]:
    return {day.day: day for day in days(year)}


def test_a_household_has_an_account_in_each_domain_in_which_it_ever_bought(year: Year) -> None:
    assert len(year.accounts) == 9_602
    assert len({account.household for account in year.accounts}) == 2_469
    assert set(year.accounts) == {Account(activity.household, activity.domain) for activity in year.activities}


def test_each_basket_is_one_activity_in_each_of_its_domains(year: Year) -> None:
    assert len({activity.reference for activity in year.activities}) == 155_848
    assert (
        len({(activity.reference, activity.domain) for activity in year.activities}) == len(year.activities) == 225_898
    )


def test_activities_come_in_order_of_time_basket_and_domain(year: Year) -> None:
    places = [(a.occurred_at_s, int(a.reference), DOMAINS.index(a.domain)) for a in year.activities]
    assert places == sorted(places)


def test_the_departments_fall_into_eight_domains(year: Year) -> None:
    assert Counter(activity.domain for activity in year.activities) == {
        "grocery": 129_931,
        "drugstore": 66_601,
        "fuel": 12_994,
        "travel": 470,
        "restaurant": 258,
        "floral-and-garden": 2_545,
        "spirits": 1_085,
        "other": 12_014,
    }


@pytest.mark.parametrize(
    ("department", "domain"), [("SEAFOOD", "grocery"), ("GARDEN CENTER", "floral-and-garden"), ("TOYS", "other")]
)
def test_a_department_belongs_to_a_domain(department: str, domain: str) -> None:
    assert domain_of(department) == domain


def test_every_line_is_part_of_exactly_one_activity(year: Year) -> None:
    edges = [activity.lines.start for activity in year.activities] + [len(year.line_numbers)]
    assert [activity.lines.stop for activity in year.activities] == edges[1:]
    assert edges[0] == 0
    assert len(year.line_numbers) == 1_469_307


def test_lines_that_say_the_same_are_one_value(year: Year) -> None:
    assert len(set(year.lines)) == len(year.lines) == 311_589


def test_the_odd_lines_are_counted(year: Year) -> None:
    assert year.tally.baskets == 155_848
    assert year.tally.lines == 1_469_307
    assert year.tally.quantity_zero == 8_869
    assert year.tally.amount_zero == 11_226
    assert year.tally.amount_below_half_a_cent == 20
    assert year.tally.product_unknown == 4_836
    assert year.tally.fuel == len(year.fuel) == 12_997


def test_an_unknown_product_is_a_line_of_the_domain_other_without_category_and_merchant(year: Year) -> None:
    lines = year.spread(year.lines)
    unknown = [(a.domain, line) for a in year.activities for line in lines[a.lines] if not line.merchant]
    assert len(unknown) == 4_836
    assert {domain for domain, _ in unknown} == {"other"}
    assert {line.category for _, line in unknown} == {""}


def test_amounts_are_exact_cents(year: Year) -> None:
    lines = year.spread(year.lines)
    assert sum(line.paid_minor for line in lines) == 459_603_958
    assert sum(line.discount_minor for line in lines) == 79_165_064 + 454_265
    assert all(line.gross_minor == line.paid_minor + line.discount_minor for line in year.lines)
    assert min(line.paid_minor for line in year.lines) == min(line.discount_minor for line in year.lines) == 0


def test_two_fillings_in_one_basket_have_references_of_their_own(year: Year) -> None:
    references = [filling.reference for filling in year.fuel]
    assert len(set(references)) == len(references)
    assert Counter(reference.rpartition("-")[2] for reference in references) == {"1": 12_994, "2": 3}


def test_days_are_days_of_new_york(year: Year, by_day: dict[date, Day]) -> None:
    assert list(by_day) == [date.fromordinal(date(2017, 1, 1).toordinal() + number) for number in range(365)]
    assert sum(len(day.activities) for day in by_day.values()) == len(year.activities)
    hours = Counter((day.end_s - day.start_s) // 3600 for day in by_day.values())
    assert hours == {23: 1, 24: 363, 25: 1}
    assert all(day.start_s <= a.occurred_at_s <= day.last_second_s for day in by_day.values() for a in day.activities)


def test_read_as_local_time_534_lines_would_fall_into_the_next_year(year: Year) -> None:
    next_year_s = int(datetime(2018, 1, 1, tzinfo=UTC).timestamp())
    first = bisect_right(year.activities, next_year_s - 1, key=lambda activity: activity.occurred_at_s)
    assert len(year.line_numbers) - year.activities[first].lines.start == 534


def test_a_redemption_falls_on_a_day_on_which_its_household_shopped(by_day: dict[date, Day]) -> None:
    for day in by_day.values():
        assert {redemption.household for redemption in day.redemptions} <= {a.household for a in day.activities}


def test_nothing_is_bought_at_christmas(by_day: dict[date, Day]) -> None:
    assert [day for day, happened in by_day.items() if not happened.activities] == [date(2017, 12, 25)]


def test_a_days_fillings_are_those_of_its_activities(by_day: dict[date, Day]) -> None:
    day = by_day[date(2017, 11, 22)]
    baskets = [activity.reference for activity in day.activities if activity.domain == "fuel"]
    assert [filling.reference.rpartition("-")[0] for filling in day.fuel] == baskets
    assert sum(len(day.fuel) for day in by_day.values()) == 12_997


def test_no_day_is_larger_than_planned_for(year: Year, by_day: dict[date, Day]) -> None:
    assert max(len(day.activities) for day in by_day.values()) == 966
    assert max(sum(a.lines.stop - a.lines.start for a in day.activities) for day in by_day.values()) == 7_066
    assert max(activity.lines.stop - activity.lines.start for activity in year.activities) == 152


def test_campaigns_send_their_coupons_on_their_first_day_or_on_the_first_of_the_year(by_day: dict[date, Day]) -> None:
    starts = {campaign.code: day.day for day in by_day.values() for campaign in day.starting}
    ends = {campaign.code: day.day for day in by_day.values() for campaign in day.ending}
    assert len(starts) == 27
    assert starts["campaign-24"] == date(2017, 1, 1)  # had started on 2016-11-14
    assert starts["campaign-18"] == date(2017, 10, 30)
    assert set(starts) - set(ends) == {"campaign-15", "campaign-20", "campaign-21", "campaign-22", "campaign-23"}


def test_campaigns_name_their_households_and_coupons(year: Year) -> None:
    assert (year.campaigns[0].first_day, max(campaign.last_day for campaign in year.campaigns)) == (
        date(2016, 11, 14),
        date(2018, 2, 28),
    )
    assert sum(len(campaign.households) for campaign in year.campaigns) == 6_589
    assert sum(len(campaign.coupons) for campaign in year.campaigns) == 1_197
    assert Counter(campaign.kind for campaign in year.campaigns) == {"a": 4, "b": 17, "c": 6}


def test_every_redemption_is_of_a_coupon_that_the_household_was_sent_and_that_is_good(year: Year) -> None:
    campaigns = {campaign.code: campaign for campaign in year.campaigns}
    for redemption in year.redemptions:
        campaign = campaigns[redemption.campaign]
        assert redemption.household in campaign.households
        assert redemption.coupon in campaign.coupons
        assert campaign.first_day <= redemption.day <= campaign.last_day


def test_a_redemption_belongs_to_the_domain_of_the_articles_that_its_coupon_is_for(year: Year) -> None:
    assert Counter(r.domain for r in year.redemptions) == {"grocery": 1_823, "drugstore": 271, "other": 8}
    assert {Account(r.household, r.domain) for r in year.redemptions} <= set(year.accounts)


def test_27_redemptions_repeat_a_coupon_of_the_household_never_on_the_same_day(year: Year) -> None:
    coupons = {(r.household, r.campaign, r.coupon) for r in year.redemptions}
    assert len(year.redemptions) == len(set(year.redemptions)) == 2_102
    assert len(year.redemptions) - len(coupons) == 27


def test_a_slice_is_the_first_households_and_some_days() -> None:
    part = load(households=40, first_day=date(2017, 3, 1), last_day=date(2017, 4, 29))
    expected = grocer_reference.totals(40, date(2017, 3, 1), date(2017, 4, 29))
    known = {account.household for account in part.accounts}
    assert len(known) == expected.households == 36
    assert (len(part.accounts), len(part.activities), len(part.line_numbers)) == (98, 640, 3_855)
    assert (expected.accounts, expected.activities, expected.lines) == (98, 640, 3_855)
    assert sum(line.paid_minor for line in part.spread(part.lines)) == expected.score_minor
    assert known.issuperset(household for campaign in part.campaigns for household in campaign.households)
    assert len(list(days(part))) == 60


def test_a_slice_without_purchases_is_empty() -> None:
    part = load(households=40, first_day=date(2017, 12, 25), last_day=date(2017, 12, 25))
    assert (part.accounts, part.activities, part.lines, part.fuel) == ([], [], [], [])
    assert [day.activities for day in days(part)] == [[]]


def test_a_negative_amount_is_kept_to_the_cent(tmp_path: Path) -> None:
    part = load(folder=_files(tmp_path, paid=[2.50, -1.15], quantity=[1, -1]))
    (activity,) = part.activities
    assert part.spread(part.lines)[activity.lines] == [
        Line("11", "MILK", "m3", 1, gross_minor=260, discount_minor=10, paid_minor=250),
        Line("12", "BREAD", "m4", -1, gross_minor=-105, discount_minor=10, paid_minor=-115),
    ]


def test_an_amount_that_is_not_whole_cents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"row 1, sales_value: 1\.155 is not a whole number of cents"):
        load(folder=_files(tmp_path, paid=[2.50, 1.155], quantity=[1, 1]))


def test_a_remainder_of_floating_point_is_zero_cents(tmp_path: Path) -> None:
    part = load(folder=_files(tmp_path, paid=[0.0, 0.3 - 0.1 - 0.2], quantity=[1, 1]))
    assert [line.paid_minor for line in part.lines] == [0, 0]
    assert (part.tally.amount_zero, part.tally.amount_below_half_a_cent) == (1, 1)


def _files(folder: Path, *, paid: list[float], quantity: list[int]) -> Path:
    """The files of a tiny data set: one basket with one line for each amount, each of another known article."""
    noon = datetime(2017, 7, 1, 16)
    count = len(paid)
    _write(
        folder / "transactions.parquet",
        household_id=[1] * count,
        basket_id=[7] * count,
        product_id=[11, 12],
        quantity=quantity,
        sales_value=paid,
        retail_disc=[0.10] * count,
        coupon_match_disc=[0.0] * count,
        transaction_timestamp=[noon] * count,
    )
    _write(
        folder / "products.parquet",
        product_id=[12, 11],
        manufacturer_id=[4, 3],
        department=["PASTRY", "GROCERY"],
        product_category=["BREAD", "MILK"],
    )
    _write(folder / "campaigns.parquet", campaign_id=[1], household_id=[1])
    _write(folder / "coupons.parquet", campaign_id=[1], coupon_upc=[5], product_id=[11])
    _write(
        folder / "campaign_descriptions.parquet",
        campaign_id=[1],
        campaign_type=["Type A"],
        start_date=[noon],
        end_date=[noon],
    )
    _write(
        folder / "coupon_redemptions.parquet",
        household_id=[1],
        campaign_id=[1],
        coupon_upc=[5],
        redemption_date=[noon],
    )
    return folder


def _write(path: Path, **columns: list[Any]) -> None:
    pq.write_table(pa.table(columns), path)
