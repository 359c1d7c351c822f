"""A simulated activity earns what recording it would, and every rule tells what became of it. Nothing is booked."""

import asyncio
from typing import Any

import pytest
from grpc import StatusCode
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.chassis.instants import timestamp
from tessera.points.v1 import activity_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import SCORE, Member, Shop, activity, line, local, open_shop, record, refusal_of, rule, unit

GOLD = {"ladder": "shopper", "by_level": {"gold": "3/2"}}
MAY = {"valid_from": "2026-05-01T00:00:00+08:00", "valid_until": "2026-06-01T00:00:00+08:00"}


def simulate(purchase: Any, **fields: Any) -> pb.SimulateActivityRequest:
    return pb.SimulateActivityRequest(activity=purchase, **fields)


def by_nobody(*lines: Any, **fields: Any) -> activity_pb2.Activity:
    return activity_pb2.Activity(domain="fuel", type="purchase", lines=lines, **fields)


def became(report: Any) -> str:
    """What became of a rule, in a word."""
    if report.WhichOneof("result") == "outcome":
        return str(report.outcome.Verdict.Name(report.outcome.verdict).removeprefix("VERDICT_"))
    return str(report.SkipReason.Name(report.skipped).removeprefix("SKIP_REASON_"))


async def test_every_rule_tells_what_it_does_or_why_it_does_not() -> None:
    documents = [
        rule("a-fires"),
        rule("b-below-one", rate="0.001"),
        rule("c-capped", cap={"amount": 30, "period": "month"}),
        rule("d-not-yet", valid_from="2026-07-01T00:00:00+08:00"),
        rule("e-no-longer", **MAY),
        rule("f-reviews", condition='activity.type == "review"'),
        rule("g-app", condition='activity.attributes["channel"] == "app"'),
        rule("h-milk", line_condition='line.category == "MILK"'),
        rule("i-gifts", line_condition='line.sku == "gift"'),
        rule("j-first", priority=9, exclusive_group="one"),
        rule("k-second", exclusive_group="one"),
        rule("l-weights", line_condition="100 / line.quantity > 5"),
    ]
    async with open_shop(unit(), *documents, at="2026-06-10") as shop:
        answer = await shop.points.SimulateActivity(simulate(by_nobody(line(100), line(0, sku="gift"))))
        reports = {report.rule: report for report in answer.rules}
        assert {code: became(report) for code, report in reports.items()} == {
            "j-first": "FIRED",
            "a-fires": "FIRED",
            "b-below-one": "BELOW_ONE",
            "c-capped": "CAPPED",
            "d-not-yet": "NOT_YET_VALID",
            "e-no-longer": "NO_LONGER_VALID",
            "f-reviews": "CONDITION_FALSE",
            "g-app": "CONDITION_FAILED",
            "h-milk": "NO_LINE_MATCHES",
            "i-gifts": "NOTHING_PAID",
            "k-second": "EXCLUDED_BY_RULE",
            "l-weights": "NO_LINE_MATCHES",
        }
        assert answer.rules[0].rule == "j-first", "they are told in the order in which they are asked"
        assert reports["c-capped"].eligible_at == timestamp(local("2026-07-01"))
        assert reports["d-not-yet"].eligible_at == timestamp(local("2026-07-01"))
        assert reports["e-no-longer"].valid_until == timestamp(local("2026-06-01"))
        assert reports["g-app"].problem == 'Key not found in map : "channel"'
        assert reports["k-second"].excluded_by == "j-first"
        assert reports["l-weights"].problem == "divide by zero"
        assert all(not reports[code].HasField("eligible_at") for code in ("a-fires", "e-no-longer", "f-reviews"))
        (earning,) = answer.earnings
        assert (earning.amount, earning.lot_id, answer.config_version) == (100 + 100 + 30, "", 1)


@pytest.mark.parametrize(
    ("period", "again"),
    [("day", "2026-06-11"), ("week", "2026-06-15"), ("quarter", "2026-07-01"), ("year", "2027-01-01"), ("ever", None)],
)
async def test_a_cap_tells_when_it_begins_anew(period: str, again: str | None) -> None:
    async with open_shop(unit(), rule(cap={"amount": 30, "period": period}), at="2026-06-10 12:00") as shop:
        (report,) = (await shop.points.SimulateActivity(simulate(by_nobody(line(100))))).rules
        assert report.HasField("eligible_at") is (again is not None)
        assert again is None or report.eligible_at == timestamp(local(again))


async def test_a_formula_that_fails_tells_why() -> None:
    formula = {**rule("odd"), "spec": {"unit": "points", "formula": "100 / (base - 300)"}}
    async with open_shop(unit(), formula) as shop:
        (report,) = (await shop.points.SimulateActivity(simulate(by_nobody(line(300))))).rules
        assert (became(report), report.problem, report.outcome.amount) == ("FORMULA_FAILED", "divide by zero", 0)


async def test_levels_may_be_tried_out_also_on_a_member() -> None:
    async with open_shop(unit(), rule(multiplier=GOLD), at="2026-06-10") as shop:
        member = await shop.enrol()
        await shop.raise_to(member, "gold", local("2026-05-01"))
        now = await shop.now()
        for purchase, levels, amount in (
            (by_nobody(line(100)), {}, 100),
            (by_nobody(line(100)), {"shopper": "gold"}, 150),
            (activity(member, 100, now), {}, 150),
            (activity(member, 100, now), {"shopper": "silver"}, 100),
            (activity(member, 100, now), {"traveller": "f1"}, 150),
            (activity(member, 100, local("2026-04-30")), {}, 100),
        ):
            answer = await shop.points.SimulateActivity(simulate(purchase, levels=levels))
            assert [earning.amount for earning in answer.earnings] == [amount]


async def test_a_member_nobody_has_heard_of_earns_as_anybody_does() -> None:
    async with open_shop(unit(), rule()) as shop:
        stranger = Member(*[(await shop.enrol()).uuid] * 2, "fuel")
        answer = await shop.points.SimulateActivity(simulate(activity(stranger, 100, await shop.now())))
        assert [earning.amount for earning in answer.earnings] == [100]


async def test_an_older_version_answers_as_it_did() -> None:
    async with open_shop(unit(), rule()) as shop:
        await shop.publish(rule(rate="2"))
        for version, amount, told in ((0, 200, 2), (1, 100, 1), (2, 200, 2)):
            answer = await shop.points.SimulateActivity(simulate(by_nobody(line(100)), config_version=version))
            assert (answer.earnings[0].amount, answer.config_version) == (amount, told)
        refusal = await refusal_of(shop.points.SimulateActivity(simulate(by_nobody(line(1)), config_version=3)))
        assert (refusal.reason, refusal.code, refusal.metadata["newest"]) == (
            "VERSION_UNKNOWN",
            StatusCode.NOT_FOUND,
            "2",
        )
        assert (await shop.earn(await shop.enrol(), 100)).config_version == 2, "the version in force is the same"


async def test_one_from_the_future_is_booked_at_receipt() -> None:
    async with open_shop(unit(), rule(), at="2026-06-10") as shop:
        later = by_nobody(line(100), occurred_at=timestamp(local("2026-07-01")))
        assert (await shop.points.SimulateActivity(simulate(later))).booked_at_receipt
        assert not (await shop.points.SimulateActivity(simulate(by_nobody(line(100))))).booked_at_receipt


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (pb.SimulateActivityRequest(), "INVALID_REQUEST", "activity.domain"),
        (simulate(by_nobody(line(-1))), "INVALID_REQUEST", "activity.lines[0].cash_minor"),
        (simulate(by_nobody(line(1), member_id="member_x")), "INVALID_REQUEST", "activity.member_id"),
        (simulate(by_nobody(line(1), reference="x" * 129)), "INVALID_REQUEST", "activity.reference"),
        (simulate(by_nobody(line(1)), levels={"No Ladder": "gold"}), "INVALID_REQUEST", 'levels["No Ladder"]'),
        (simulate(by_nobody(line(1)), config_version=-1), "INVALID_REQUEST", "config_version"),
        (simulate(by_nobody(line(1), currency="USD")), "CURRENCY_MISMATCH", ""),
        (simulate(by_nobody(*[line(10**12)] * 1000)), "AMOUNT_OUT_OF_RANGE", ""),
    ],
)
async def test_what_recording_refuses_simulating_does_too(request_: Any, reason: str, field: str) -> None:
    async with open_shop(unit(), rule(rate="1000000")) as shop:
        refusal = await refusal_of(shop.points.SimulateActivity(request_))
        assert refusal.reason == reason
        assert not field or field in refusal.fields


DOCUMENTS = [
    unit(expiry={"policy": "sliding", "days": 20}),
    unit("miles", pending_days=3, expiry={"policy": "duration", "days": 10}),
    *SCORE,
    rule(
        "level", multipliers={"of": [GOLD, {"code": "app", "factor": "2", "condition": '"app" in activity.attributes'}]}
    ),
    rule(
        "shared", "miles", rate="0.37", funders={"platform": 60, "partner-x": 40}, cap={"amount": 90, "period": "day"}
    ),
    rule("milk", "miles", rate="2", line_condition='line.category == "MILK"', exclusive_group="one", priority=1),
    rule("other", "miles", rate="1", exclude_line_condition='line.category == "TEA"', exclusive_group="one"),
    {**rule("steps"), "spec": {"unit": "points", "table": [{"from": 0, "rate": "0.1"}, {"from": 90, "rate": "0.3"}]}},
    {**rule("odd"), "spec": {"unit": "miles", "formula": "100 / (base - 50) - 3"}},
]
purchases = st.tuples(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 50, 99, 100, 250]), st.sampled_from(["MILK", "TEA", "FUEL"])), max_size=4
    ),
    st.booleans(),
    st.integers(0, 5),
)


def test_simulating_is_recording_without_doing_it() -> None:
    with asyncio.Runner() as runner:
        opening = open_shop(*DOCUMENTS, at="2026-06-10 12:00")
        shop = runner.run(opening.__aenter__())
        try:
            member = runner.run(shop.enrol())
            runner.run(shop.raise_to(member, "gold", local("2026-06-09")))

            @settings(
                max_examples=40,
                deadline=None,
                derandomize=True,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(purchases)
            def prove(drawn: Any) -> None:
                runner.run(same(shop, member, drawn))

            prove()
            assert runner.run(shop.findings()) == []
        finally:
            runner.run(opening.__aexit__(None, None, None))


async def same(shop: Shop, member: Member, drawn: Any) -> None:
    lines, in_app, days_ago = drawn
    bought = [line(paid, category=category) for paid, category in lines]
    at = local(f"2026-06-{10 - days_ago:02} 11:00")
    purchase = activity(member, bought, at, attributes={"app": "yes"} if in_app else {})
    request = record(purchase)
    simulated = await shop.points.SimulateActivity(simulate(purchase))
    request.validate_only = True
    tried = await shop.points.RecordActivity(request)
    request.validate_only = False
    recorded = await shop.points.RecordActivity(request)
    assert told(simulated.earnings) == told(tried.earnings) == told(recorded.earnings)
    outcomes = {report.rule: report.outcome for report in simulated.rules if report.HasField("outcome")}
    recorded_rules = [outcome for earning in recorded.earnings for outcome in earning.rules]
    assert set(outcomes) == {outcome.rule for outcome in recorded_rules}
    for code, outcome in outcomes.items():
        assert outcome.amount == sum(found.amount for found in recorded_rules if found.rule == code)


def told(earnings: Any) -> list[str]:
    """Earnings without the lots, which only recording makes."""
    plain = []
    for earning in earnings:
        copy = activity_pb2.Earning()
        copy.CopyFrom(earning)
        copy.ClearField("lot_id")
        plain.append(str(copy))
    return plain


async def test_nothing_is_booked() -> None:
    async with open_shop(unit(), rule(cap={"amount": 100, "period": "ever"})) as shop:
        member = await shop.enrol()
        pool = shop.suite.running["points"].platform.pool
        before = await pool.fetch("SELECT partition, position FROM head ORDER BY 1")
        for _ in range(3):
            answer = await shop.points.SimulateActivity(simulate(activity(member, 100, await shop.now())))
            assert answer.earnings[0].amount == 100
        assert await pool.fetch("SELECT partition, position FROM head ORDER BY 1") == before
        assert await shop.available(member) == 0
