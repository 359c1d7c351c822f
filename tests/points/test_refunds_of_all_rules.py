"""Whatever kind of rule gave points: parts that come back never take more than it gave, and all of them take it all."""

from typing import Any

import pytest

from tests.points.builders import line, open_shop, rule, unit
from tests.points.returns import part, returning

RATE_OF_LINES = {"rate": "1/3", "rounded_per": "line", "line_condition": 'line.category == "dairy"'}
SHARED = {"platform": 60, "bakery": 25, "mill": 15}
KINDS: dict[str, dict[str, Any]] = {
    "a rate": {"rate": "1/3"},
    "a rate of some lines": {"rate": "1/3", "line_condition": 'line.category == "dairy"'},
    "a rate without some lines": {"rate": "1/3", "exclude_line_condition": 'line.category == "dairy"'},
    "a rate line by line": {"rate": "1/3", "rounded_per": "line"},
    "a rate line by line of some lines": RATE_OF_LINES,
    "stacked multipliers": {
        "rate": "1/3",
        "multipliers": {"stacking": "add", "of": [{"code": "a", "factor": "2"}, {"code": "b", "factor": "3/2"}]},
    },
    "an amount": {"amount": 7},
    "an amount for each full part": {"amount": 7, "per": 100},
    "a table": {"table": [{"from": 0, "rate": "0.1"}, {"from": 1000, "rate": "0.2"}], "table_mode": "marginal"},
    "a table whose rates fall": {"table": [{"from": 0, "rate": "0.2"}, {"from": 1000, "rate": "0.1"}]},
    "a table line by line": {
        "table": [{"from": 50, "rate": "0.1"}, {"from": 500, "rate": "0.3"}],
        "rounded_per": "line",
    },
    "shares of an amount for each full part": {"amount": 7, "per": 100, "funders": SHARED},
    "a formula": {"formula": "base / 7"},
    "shares": {"rate": "1/3", "funders": SHARED},
    "shares of a capped amount": {"rate": "1/3", "funders": SHARED, "cap": {"amount": 301, "period": "month"}},
    "a capped table": {"table": [{"from": 0, "rate": "0.9"}], "cap": {"amount": 301, "period": "month"}},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_parts_come_to_the_whole_and_caps_get_back_what_was_drawn(kind: str) -> None:
    spec: dict[str, Any] = KINDS[kind]
    async with open_shop(unit(), rule(**{"rate": None, **spec}), at="2026-03-10") as shop:
        member = await shop.enrol()
        lines = [line(1000, category="bread"), line(555, category="dairy"), line(45, category="dairy")]
        earned = await shop.earn(member, lines)
        given = sum(earning.amount for earning in earned.earnings)
        assert given == await shop.available(member) > 0
        left = given
        for returned in ({"amount_minor": 400}, {"lines": [part(1, 100)]}, {"lines": [part(2)]}, {}):
            answer = await shop.points.RefundActivity(returning(earned.activity_id, **returned))
            taken = sum(clawback.taken for clawback in answer.clawbacks)
            assert 0 <= taken <= left
            left -= taken
            assert await shop.available(member) == left
        assert left == 0
        again = await shop.earn(member, lines)
        assert [(e.funder, e.amount) for e in again.earnings] == [(e.funder, e.amount) for e in earned.earnings]
        assert await shop.findings() == []


EXACT: dict[str, dict[str, Any]] = {
    "an amount for each full part": {"amount": 1, "per": 2000},
    "a multiplied amount for each full part": {
        "amount": 1,
        "per": 700,
        "multipliers": {"of": [{"code": "a", "factor": "5/2"}]},
        "rounding": "half-up",
    },
    "a table": {"table": [{"from": 0, "rate": "0.01"}, {"from": 4000, "rate": "0.02"}]},
    "a marginal table": {
        "table": [{"from": 0, "rate": "0.01"}, {"from": 4000, "rate": "0.02"}],
        "table_mode": "marginal",
    },
    "a rate line by line": {"rate": "1/7", "rounded_per": "line", "rounding": "ceil"},
    "an amount for each full part of a line": {"amount": 3, "per": 400, "rounded_per": "line"},
    "shares": {"rate": "1/70", "funders": SHARED},
    "shares of an amount for each full part": {"amount": 3, "per": 400, "funders": SHARED},
}


@pytest.mark.parametrize("kind", EXACT)
async def test_what_is_kept_is_what_the_rest_alone_would_have_earned(kind: str) -> None:
    spec: dict[str, Any] = {"rate": None, **EXACT[kind]}
    async with open_shop(unit(), rule(**spec), at="2026-03-10") as shop:
        buyer = await shop.enrol()
        whole = await shop.earn(buyer, [line(3000), line(2900)])
        kept_of_each = [earning.amount for earning in whole.earnings]
        left = (3000, 2900)
        for rest in ((3000, 1001), (2999, 1000), (2100, 700), (700, 399)):
            other = await shop.earn(await shop.enrol(), [line(paid) for paid in rest])
            returned = [part(number, left[number] - rest[number]) for number in (0, 1) if left[number] > rest[number]]
            answer = await shop.points.RefundActivity(returning(whole.activity_id, lines=returned))
            left = rest
            kept = [clawback.kept for clawback in answer.clawbacks]
            assert sum(kept) == sum(earning.amount for earning in other.earnings) == await shop.available(buyer)
            assert all(later <= earlier for later, earlier in zip(kept, kept_of_each, strict=True))
            kept_of_each = kept
        assert await shop.findings() == []
