"""Several funders share what a rule gives: an entry and a lot of each, and always the whole together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.points.shares import left_of_parts, split
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import Member, Shop, open_shop, refund, reverse, rule, spend, unit
from tests.points.test_documents import mistakes_in
from tests.points.test_earning import config, earned

SHARED = {"platform": 60, "partner-x": 40}


@given(st.integers(0, 2**63 - 1), st.lists(st.integers(1, 10**6), min_size=1, max_size=10))
def test_parts_sum_to_the_whole_and_none_is_a_point_away_from_its_share(amount: int, shares: list[int]) -> None:
    parts = split(amount, shares)
    total = sum(shares)
    assert sum(parts) == amount
    assert all(abs(part * total - amount * share) < total for part, share in zip(parts, shares, strict=True))


@pytest.mark.parametrize(
    ("amount", "shares", "parts"),
    [
        (100, [60, 40], [60, 40]),
        (1, [60, 40], [1, 0]),
        (1, [1, 1], [1, 0]),
        (5, [1, 1, 1], [2, 2, 1]),
        (0, [1, 2], [0, 0]),
    ],
)
def test_the_largest_remainder_gets_what_is_left_and_the_earliest_of_equal_ones(
    amount: int, shares: list[int], parts: list[int]
) -> None:
    assert split(amount, shares) == parts


@given(st.integers(0, 10**9), st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 99), min_size=2))
def test_what_a_rule_gives_is_the_same_however_many_share_it(paid: int, shares: dict[str, int]) -> None:
    found = earned(config(unit(), rule(rate="0.37", funders=shares)), paid)
    assert sum(of_funder.amount for of_funder in found) == paid * 37 // 100
    assert len({of_funder.funder for of_funder in found}) == len(found)


def test_who_comes_first_does_not_depend_on_how_it_is_written() -> None:
    for shares in ({"b": 1, "a": 1}, {"a": 1, "b": 1}):
        found = earned(config(unit(), rule(funders=shares)), 3)
        assert [(of_funder.funder, of_funder.amount) for of_funder in found] == [("a", 2), ("b", 1)]


@given(st.lists(st.integers(1, 10**4), min_size=1, max_size=10), st.data())
def test_when_a_sum_falls_its_parts_fall_with_it_and_never_rise(parts: list[int], data: st.DataObject) -> None:
    total = sum(parts)
    less = data.draw(st.integers(1, total))
    after, before = left_of_parts(less - 1, parts), left_of_parts(less, parts)
    assert (sum(after), sum(before), left_of_parts(total, parts)) == (less - 1, less, parts)
    assert all(0 <= later <= earlier <= whole for later, earlier, whole in zip(after, before, parts, strict=True))


async def parts(shop: Shop, member: Member, paid: int) -> tuple[str, dict[str, int]]:
    answer = await shop.earn(member, paid)
    return answer.activity_id, {earning.funder: earning.amount for earning in answer.earnings}


async def owed(shop: Shop) -> dict[str, int]:
    """What members owe, by funder."""
    answers = [answer async for answer in shop.points.GetLiability(pb.GetLiabilityRequest())]
    return {line.funder: line.amount for answer in answers for line in answer.receivables}


async def test_nobody_gets_back_from_what_another_funder_of_the_activity_has_left() -> None:
    """Default 11: own lots first, and a funder-specific clawback stays with its funder."""
    async with open_shop(unit(), rule(funders={"first": 60, "second": 40})) as shop:
        member = await shop.enrol()
        activity_id, given = await parts(shop, member, 100)
        spent = await shop.points.Spend(spend(member, 60))
        left = {lot.funder: lot.remaining for lot in await shop.lots(member)}
        assert left == {"first": 0, "second": 40}
        await shop.points.ReverseActivity(reverse(activity_id))
        assert await owed(shop) == {"first": given["first"]}
        await shop.points.RefundSpend(refund(spent.spend_id))
        assert (await owed(shop), await shop.available(member), await shop.findings()) == ({}, 0, [])


async def test_each_funder_has_an_entry_and_a_lot_and_gets_back_its_own() -> None:
    async with open_shop(unit(), rule(funders=SHARED)) as shop:
        member = await shop.enrol()
        activity_id, found = await parts(shop, member, 101)
        assert found == {"partner-x": 40, "platform": 61}
        assert {lot.funder: lot.amount for lot in await shop.lots(member)} == found
        taken = await shop.points.ReverseActivity(reverse(activity_id))
        assert sorted(clawback.taken for clawback in taken.clawbacks) == [40, 61]
        pool = shop.suite.running["points"].platform.pool
        booked = await pool.fetch("SELECT counterparty, sum(amount) AS amount FROM entries GROUP BY 1")
        assert {row["counterparty"]: row["amount"] for row in booked} == {"funder:partner-x": 0, "funder:platform": 0}
        assert await shop.available(member) == 0
        assert await shop.findings() == []


async def test_a_cap_counts_the_whole_once_and_gets_it_back_once() -> None:
    capped = rule(funders=SHARED, cap={"amount": 101, "period": "month"})
    async with open_shop(unit(), capped, at="2026-03-10") as shop:
        member = await shop.enrol()
        first, found = await parts(shop, member, 51)
        assert found == {"partner-x": 20, "platform": 31}
        answer = await shop.earn(member, 80)
        assert [(e.funder, e.amount, e.rules[0].capped) for e in answer.earnings] == [
            ("partner-x", 20, 12),
            ("platform", 30, 18),
        ]
        assert (await parts(shop, member, 1))[1] == {"partner-x": 0}, "the cap is used up"
        await shop.points.ReverseActivity(reverse(first))
        assert (await parts(shop, member, 80))[1] == {"partner-x": 20, "platform": 31}, "51 are free again, not 102"
        assert await shop.findings() == []


async def test_one_point_goes_to_one_funder_and_the_other_is_not_told_of() -> None:
    async with open_shop(unit(), rule(funders=SHARED)) as shop:
        member = await shop.enrol()
        assert (await parts(shop, member, 1))[1] == {"platform": 1}
        assert await shop.findings() == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"funders": {}}, ".funders"),
        ({"funders": {"platform": 0}}, ".funders.platform"),
        ({"funders": {"platform": "half"}}, ".funders.platform"),
        ({"funders": {f"f{number}": 1 for number in range(11)}}, ".funders"),
        ({"funders": SHARED, "funder": "platform"}, ""),
    ],
)
def test_a_mistake_in_funders_is_named(spec: dict[str, Any], field: str) -> None:
    assert list(mistakes_in(unit(), rule(**spec))) == [f"earn-rule/per-fen{field}"]


def test_one_funder_may_be_written_as_a_share_of_all() -> None:
    (of_points,) = earned(config(unit(), rule(funders={"bakery": 7})), 10)
    assert (of_points.funder, of_points.amount) == ("bakery", 10)
