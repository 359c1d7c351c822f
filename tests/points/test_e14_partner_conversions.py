"""E14: points that go to a partner or come from one: whatever is lost or crashes, both sides come to one truth."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from grpc import aio
from structlog.testing import capture_logs

from services.chassis import ids
from services.chassis.documents import Document, DocumentErrors
from services.points.documents import compile_documents
from services.points.partners import legs, reconciling
from tessera.points.v1 import partner_conversion_pb2 as pb
from tessera.points.v1 import points_service_pb2
from tests.points.builders import (
    SCORE,
    Member,
    Shop,
    at_partner,
    capture,
    conversion,
    convert,
    convert_with_partner,
    grant,
    local,
    open_shop,
    outcome,
    partner,
    programme,
    refusal_of,
    release,
    request_id,
    reverse,
    rule,
    settle_with_partner,
    spend,
    unit,
)
from tests.support import access
from tests.support.exchange_partner import ExchangePartner, Fault, open_partner

OUT = conversion("to-skyline", "points", "sky-miles", "1/3", to_partner="skyline")
IN = conversion("from-skyline", "sky-miles", "points", "2", from_partner="skyline")
STARTED, UNKNOWN, DONE, REFUSED = 1, 2, 3, 4
FAULTS: list[Fault] = ["lost", "crash before", "crash after", "late", "undecided"]
POINTS = unit(expiry={"policy": "duration", "days": 100})


@asynccontextmanager
async def open_exchange(*documents: dict[str, Any], **told: Any) -> AsyncIterator[tuple[Shop, ExchangePartner]]:
    """A shop and a partner that exchange."""
    async with (
        open_partner() as (skyline, address),
        open_shop(*(documents or (POINTS, rule(), OUT, IN)), partner(address=address, **told)) as shop,
    ):
        yield shop, skyline


async def mend(shop: Shop, skyline: ExchangePartner) -> None:
    """The partner answers again, and is given time to: a busy machine is no fault of its."""
    skyline.fault = ""
    await shop.publish(partner(address=skyline.address, timeout_ms=5000))


async def flyer(shop: Shop, points: int = 1000) -> Member:
    """A member with points and an account at the partner."""
    member = await shop.enrol()
    await shop.open_account_at_partner(member)
    if points:
        await shop.points.Grant(grant(member, points, local("2026-03-01")))
    return member


async def held(shop: Shop, member: Member) -> tuple[int, int]:
    """What of the member's points is available, and what is held."""
    answer = await shop.points.GetBalance(points_service_pb2.GetBalanceRequest(member_id=member.member_id))
    (balance,) = [one for one in answer.balances if one.unit == "points"]
    return balance.available, balance.held


async def read(shop: Shop, conversion_id: str) -> pb.PartnerConversion:
    request = pb.GetPartnerConversionRequest(partner_conversion_id=conversion_id)
    answer: pb.GetPartnerConversionResponse = await shop.points.GetPartnerConversion(request)
    return answer.conversion


async def ask_again(shop: Shop, conversion_id: str) -> int:
    """What the partner is asked again, and how far the conversion is then."""
    request = pb.ReconcilePartnerConversionRequest(partner_conversion_id=conversion_id)
    state: int = (await shop.points.ReconcilePartnerConversion(request)).conversion.state
    return state


async def test_what_goes_out_is_taken_when_the_partner_has_booked_it() -> None:
    async with open_exchange() as (shop, skyline):
        member = await flyer(shop)
        answer = await shop.points.ConvertWithPartner(convert_with_partner(member, 1000, reference="trip"))
        done = answer.conversion
        assert (done.state, done.amount, done.partner_amount, done.partner_unit) == (DONE, 999, 333, "sky-miles")
        assert (done.booking, done.reference, done.incoming, answer.rate) == ("SKY-0", "trip", False, "1/3")
        assert skyline.moved == {at_partner(member): 333}
        assert skyline.calls == [("Credit", done.partner_conversion_id)]
        assert await held(shop, member) == (1, 0)
        assert (await shop.entries(member))[-1] == ("partner_out", -999)
        assert await read(shop, done.partner_conversion_id) == done
        (lot,) = await shop.lots(member, closed=True)
        traced = await shop.points.TraceLot(
            points_service_pb2.TraceLotRequest(member_id=member.member_id, lot_id=lot.lot_id)
        )
        assert traced.spent == 999
        assert done.partner_conversion_id in [use.source_id for use in traced.uses]
        assert await shop.findings() == []


async def test_what_comes_in_is_given_when_the_partner_has_taken_it() -> None:
    async with open_exchange() as (shop, skyline):
        member = await flyer(shop, 0)
        done = (await shop.points.ConvertWithPartner(convert_with_partner(member, 50, "from-skyline"))).conversion
        assert (done.state, done.amount, done.partner_amount, done.incoming) == (DONE, 100, 50, True)
        assert skyline.moved == {at_partner(member): -50}
        assert skyline.calls == [("Debit", done.partner_conversion_id)]
        (lot,) = await shop.lots(member)
        assert (lot.remaining, lot.funder, lot.source_id) == (100, "skyline", done.partner_conversion_id)
        assert lot.expires_at.ToDatetime(tzinfo=local("2026-01-01").tzinfo) == local("2026-04-11")
        assert await shop.entries(member) == [("partner_in", 100)]
        assert await shop.findings() == []


@pytest.mark.parametrize("fault", FAULTS)
async def test_e14_while_the_answer_is_unknown_the_source_stays_held(fault: Fault) -> None:
    async with open_exchange(timeout_ms=60) as (shop, skyline):
        member = await flyer(shop)
        skyline.fault = fault
        started = (await shop.points.ConvertWithPartner(convert_with_partner(member, 300))).conversion
        assert started.state == UNKNOWN
        assert await held(shop, member) == (700, 300)
        assert await ask_again(shop, started.partner_conversion_id) in (
            (DONE,) if "after" in fault else (UNKNOWN, DONE)
        )
        if fault in ("lost", "crash before", "undecided"):
            await shop.go_to("2027-06-01")
            assert await held(shop, member) == (0, 300)
            assert (await read(shop, started.partner_conversion_id)).state == UNKNOWN
        assert await shop.findings() == []
        await mend(shop, skyline)
        assert await ask_again(shop, started.partner_conversion_id) == DONE
        assert await ask_again(shop, started.partner_conversion_id) == DONE
        assert skyline.moved == {at_partner(member): 100}
        assert {reference for _, reference in skyline.calls} == {started.partner_conversion_id}
        assert (await held(shop, member))[1] == 0
        assert await shop.findings() == []


@pytest.mark.parametrize("fault", FAULTS)
async def test_e14_nothing_comes_in_before_the_partner_has_taken_it_and_then_it_does(fault: Fault) -> None:
    async with open_exchange(timeout_ms=60) as (shop, skyline):
        member = await flyer(shop, 0)
        skyline.fault = fault
        started = (await shop.points.ConvertWithPartner(convert_with_partner(member, 50, "from-skyline"))).conversion
        assert started.state == UNKNOWN
        assert await held(shop, member) == (0, 0)
        await mend(shop, skyline)
        answers = await asyncio.gather(*(ask_again(shop, started.partner_conversion_id) for _ in range(10)))
        assert set(answers) == {DONE}
        assert skyline.moved == {at_partner(member): -50}
        assert await held(shop, member) == (100, 0)
        assert await shop.findings() == []


async def test_what_a_partner_refuses_is_released_and_does_not_draw_on_the_cap() -> None:
    capped = conversion("to-skyline", "points", "sky-miles", "1/3", to_partner="skyline", cap=CAP)
    async with open_exchange(POINTS, rule(), capped) as (shop, skyline):
        member = await flyer(shop)
        skyline.refuses = True
        refused = (await shop.points.ConvertWithPartner(convert_with_partner(member, 300))).conversion
        assert (refused.state, refused.reason, refused.booking) == (REFUSED, "no such flyer", "")
        assert await held(shop, member) == (1000, 0)
        assert await shop.entries(member) == [("grant", 1000)]
        skyline.refuses = False
        assert (await shop.points.ConvertWithPartner(convert_with_partner(member, 300))).conversion.state == DONE
        refusal = await refusal_of(shop.points.ConvertWithPartner(convert_with_partner(member, 3)))
        assert refusal.metadata == {"limit": "300", "left": "0", "requested": "3"}
        assert await shop.findings() == []


CAP = {"amount": 300, "period": "day"}


async def test_a_repeated_request_is_the_same_conversion_and_tells_how_far_it_is() -> None:
    async with open_exchange(timeout_ms=60) as (shop, skyline):
        member = await flyer(shop)
        skyline.fault = "lost"
        request = convert_with_partner(member, 300, request_id=request_id())
        first = (await shop.points.ConvertWithPartner(request)).conversion
        skyline.fault = ""
        again = (await shop.points.ConvertWithPartner(request)).conversion
        assert (first.state, again.state) == (UNKNOWN, DONE)
        assert first.partner_conversion_id == again.partner_conversion_id
        assert skyline.moved == {at_partner(member): 100}
        assert await held(shop, member) == (700, 0)
        request.amount = 600
        assert (await refusal_of(shop.points.ConvertWithPartner(request))).reason == "REQUEST_ID_REUSED"


async def test_a_caller_that_waits_less_than_the_partner_may_take_is_told_that_it_is_unknown() -> None:
    async with open_exchange(timeout_ms=30_000) as (shop, skyline):
        member = await flyer(shop)
        skyline.fault = "late"
        answer = await shop.points.ConvertWithPartner(convert_with_partner(member, 300), timeout=1)
        assert answer.conversion.state == UNKNOWN


async def test_a_partner_that_cannot_be_reached_or_is_not_who_it_should_be_has_not_answered() -> None:
    async with open_exchange() as (shop, skyline):
        member = await flyer(shop)
        _, address = skyline, shop.suite.addresses["points"]
        for number, reached in enumerate(
            (partner(tls=True), partner(address=address), partner(address="nowhere.invalid:1"))
        ):
            await shop.publish(reached)
            assert (await started(shop, member)).conversion.state == UNKNOWN
            assert await held(shop, member) == (700 - 300 * number, 300 + 300 * number)
        assert await shop.findings() == []


async def test_a_dry_run_asks_no_partner() -> None:
    async with open_exchange() as (shop, skyline):
        member = await flyer(shop)
        request = convert_with_partner(member, 300, validate_only=True)
        answer = (await shop.points.ConvertWithPartner(request)).conversion
        assert (answer.state, answer.amount, answer.partner_amount) == (STARTED, 300, 100)
        assert (skyline.calls, await held(shop, member)) == ([], (1000, 0))
        request = convert_with_partner(member, 3000, validate_only=True)
        assert (await refusal_of(shop.points.ConvertWithPartner(request))).reason == "INSUFFICIENT_POINTS"


# A crash of the service between any two steps


async def test_e14_a_crash_while_the_partner_is_asked() -> None:
    async with open_exchange(timeout_ms=30_000) as (shop, skyline):
        member = await flyer(shop)
        for fault, paid in (("lost", 0), ("late", 100)):
            skyline.fault = fault  # type: ignore[assignment]  # both are faults
            skyline.heard.clear()
            call = asyncio.create_task(started(shop, member))
            await skyline.heard.wait()
            call.cancel()
            assert skyline.moved[at_partner(member)] == paid
            (open_one,) = await listed(shop, STARTED)
            await shop.suite.stop("points")
            skyline.fault = ""
            await shop.suite.start("points", virtual_clock_start=local("2026-01-01"))
            assert await ask_again(shop, open_one.partner_conversion_id) == DONE
            assert await shop.findings() == []
            skyline.moved.clear()
        assert await held(shop, member) == (400, 0)
        assert len(skyline.verdicts) == 2


async def test_e14_a_crash_before_the_partner_is_asked_and_one_before_its_answer_is_booked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError("the process is gone")

    async with open_exchange() as (shop, skyline):
        member = await flyer(shop)
        for step in ("ask", "_book"):
            with monkeypatch.context() as crashing:
                crashing.setattr(legs, step, crash)
                with pytest.raises(aio.AioRpcError):
                    await started(shop, member)
            (open_one,) = await listed(shop, STARTED)
            assert (await held(shop, member))[1] == 300
            platform = shop.suite.running["points"].platform
            await reconciling.reconcile(platform, reconciling.Pauses(first_pause_s=0))
            assert (await read(shop, open_one.partner_conversion_id)).state == DONE
            assert await shop.findings() == []
        assert skyline.moved == {at_partner(member): 200}
        assert await held(shop, member) == (400, 0)


async def started(shop: Shop, member: Member) -> Any:
    return await shop.points.ConvertWithPartner(convert_with_partner(member, 300))


async def listed(shop: Shop, state: int, **fields: Any) -> list[pb.PartnerConversion]:
    request = pb.ListPartnerConversionsRequest(state=state, **fields)  # type: ignore[arg-type]  # a number of the enum
    return list((await shop.points.ListPartnerConversions(request)).conversions)


def test_partners_are_asked_at_first_soon_and_later_seldom() -> None:
    pauses, one = reconciling.Pauses(first_pause_s=4), UUID(int=7)
    assert pauses.due({one}, 0) == []
    assert pauses.due({one}, 4) == [one]
    asked = []
    for now in range(4, 5000):
        if pauses.due({one}, now):
            asked.append(now)
            pauses.asked(one, now)
    assert asked[:8] == [4, 12, 28, 60, 124, 252, 508, 1020]
    assert asked[8:] == [1620, 2220, 2820, 3420, 4020, 4620]
    assert pauses.due(set(), 5000) == pauses.due({one}, 5001) == []


# Settling by decision


@pytest.mark.parametrize(("decision", "state", "left"), [("booked", DONE, 700), ("refused", REFUSED, 1000)])
async def test_who_knows_what_the_partner_did_settles_it(decision: str, state: int, left: int) -> None:
    async with open_exchange(timeout_ms=60) as (shop, skyline):
        member = await flyer(shop)
        skyline.fault = "late"
        unknown = (await started(shop, member)).conversion.partner_conversion_id
        dry = await shop.points.SettlePartnerConversion(settle_with_partner(unknown, decision, validate_only=True))
        assert (dry.conversion.state, (await read(shop, unknown)).state) == (state, UNKNOWN)
        request = settle_with_partner(unknown, decision)
        settled = (await shop.points.SettlePartnerConversion(request)).conversion
        assert (settled.state, settled.settled_by, settled.reason) == (
            state,
            access.EVERYTHING,
            "their statement says so",
        )
        request = settle_with_partner(unknown, "refused")
        refusal = await refusal_of(shop.points.SettlePartnerConversion(request))
        assert (refusal.reason, refusal.metadata) == (
            "PARTNER_CONVERSION_CLOSED",
            {"state": "done" if state == DONE else "refused"},
        )
        skyline.fault = ""
        assert await ask_again(shop, unknown) == state
        assert await held(shop, member) == (left, 0)
        assert await shop.findings() == []


async def test_of_decisions_and_the_partners_answer_at_once_one_holds() -> None:
    async with open_exchange(timeout_ms=60) as (shop, skyline):
        member = await flyer(shop)
        skyline.fault = "late"
        unknown = (await started(shop, member)).conversion.partner_conversion_id
        await mend(shop, skyline)
        settle = shop.points.SettlePartnerConversion
        outcomes = await asyncio.gather(
            *(outcome(settle(settle_with_partner(unknown, ("refused", "booked")[n % 2]))) for n in range(20)),
            *(outcome(ask_again(shop, unknown)) for _ in range(10)),
        )
        assert outcomes[:20].count("") <= 1
        assert set(outcomes[:20]) <= {"", "PARTNER_CONVERSION_CLOSED"}
        assert set(outcomes[20:]) == {""}
        left = {DONE: 700, REFUSED: 1000}[(await read(shop, unknown)).state]
        assert (await held(shop, member), await shop.findings()) == ((left, 0), [])


async def test_an_answer_that_contradicts_a_decision_changes_nothing_and_is_told() -> None:
    async with open_exchange(timeout_ms=5000) as (shop, skyline):
        member = await flyer(shop)
        skyline.fault = "late"
        with capture_logs() as logs:
            call = asyncio.create_task(started(shop, member))
            await skyline.heard.wait()
            (open_one,) = await listed(shop, STARTED)
            request = settle_with_partner(open_one.partner_conversion_id, "refused")
            await shop.points.SettlePartnerConversion(request)
            skyline.may_answer.set()
            assert (await call).conversion.state == REFUSED
        assert "a partner answered something else than was settled" in [log["event"] for log in logs]
        assert await held(shop, member) == (1000, 0)


# What is refused


async def test_what_cannot_be_converted_with_a_partner_is_refused() -> None:
    limited = unit(max_balance=1000)
    async with open_exchange(limited, rule(), unit("miles"), conversion(), OUT, IN) as (shop, skyline):
        member = await flyer(shop)
        stranger = await shop.enrol()
        for request, reason in (
            (convert_with_partner(member, 1001), "INSUFFICIENT_POINTS"),
            (convert_with_partner(member, 2), "CONVERSION_BELOW_MINIMUM"),
            (convert_with_partner(member, 3, "to-miles"), "CONVERSION_UNKNOWN"),
            (convert_with_partner(member, 3, domain="food"), "ACCOUNT_OF_ANOTHER_DOMAIN"),
            (convert_with_partner(member, 3, partner_account_id=member.account_id), "ACCOUNT_OF_ANOTHER_DOMAIN"),
            (convert_with_partner(member, 3, partner_account_id=stranger.account_id), "ACCOUNT_OF_ANOTHER_MEMBER"),
            (convert_with_partner(stranger, 3), "ACCOUNT_UNKNOWN"),
            (convert_with_partner(member, 1, "from-skyline"), "BALANCE_LIMIT_EXCEEDED"),
            (convert_with_partner(member, (1 << 63) - 1, "from-skyline"), "BALANCE_LIMIT_EXCEEDED"),
            (convert_with_partner(member, 0), "INVALID_REQUEST"),
        ):
            assert (await refusal_of(shop.points.ConvertWithPartner(request))).reason == reason, request
        assert (await refusal_of(shop.points.Convert(convert(member, 3, "to-skyline")))).reason == "CONVERSION_UNKNOWN"
        nothing = "partnerconversion_" + "0" * 26
        for call in (
            shop.points.GetPartnerConversion(pb.GetPartnerConversionRequest(partner_conversion_id=nothing)),
            shop.points.ReconcilePartnerConversion(pb.ReconcilePartnerConversionRequest(partner_conversion_id=nothing)),
            shop.points.SettlePartnerConversion(settle_with_partner(nothing)),
        ):
            assert (await refusal_of(call)).reason == "PARTNER_CONVERSION_UNKNOWN"
        assert (skyline.calls, await held(shop, member)) == ([], (1000, 0))


async def test_what_waits_for_a_partner_is_the_conversions_alone() -> None:
    async with open_exchange(timeout_ms=60) as (shop, skyline):
        member = await flyer(shop)
        skyline.fault = "lost"
        await started(shop, member)
        pool = shop.suite.running["points"].platform.pool
        hold_id = ids.encode("hold", await pool.fetchval("SELECT hold_id FROM holds"))
        for call in (shop.points.CaptureHold(capture(hold_id)), shop.points.ReleaseHold(release(hold_id))):
            assert (await refusal_of(call)).reason == "HOLD_UNKNOWN"
        assert (await refusal_of(shop.points.Spend(spend(member, 701)))).reason == "INSUFFICIENT_POINTS"


async def test_conversions_are_listed_by_how_far_they_are() -> None:
    async with open_exchange(timeout_ms=30) as (shop, skyline):
        members = [await flyer(shop) for _ in range(3)]
        done = [(await started(shop, member)).conversion for member in members]
        skyline.fault = "crash before"
        unknown = [(await started(shop, member)).conversion for member in members]
        assert await listed(shop, DONE) == sorted(done, key=lambda one: one.partner_conversion_id)
        pages, token = [], ""
        while not pages or token:
            request = pb.ListPartnerConversionsRequest(
                state=pb.PARTNER_CONVERSION_STATE_UNKNOWN, page_size=2, page_token=token
            )
            page = await shop.points.ListPartnerConversions(request)
            pages.append([one.partner_conversion_id for one in page.conversions])
            token = page.next_page_token
        assert [len(page) for page in pages] == [2, 1]
        assert [one for page in pages for one in page] == sorted(one.partner_conversion_id for one in unknown)


async def test_what_comes_in_pays_what_is_owed() -> None:
    async with open_exchange() as (shop, _):
        member = await flyer(shop, 0)
        earned = await shop.earn(member, 90)
        await shop.points.Spend(spend(member, 90))
        await shop.points.ReverseActivity(reverse(earned.activity_id))
        await shop.points.ConvertWithPartner(convert_with_partner(member, 50, "from-skyline"))
        assert await held(shop, member) == (10, 0)
        assert await shop.findings() == []


@pytest.mark.parametrize(
    ("documents", "fields"),
    [
        ([POINTS, conversion("x", "points", "sky-miles", "1", to_partner="nobody")], ["conversion/x.to_partner"]),
        ([POINTS, conversion("x", "miles", "sky-miles", "1", to_partner="skyline")], ["conversion/x.from"]),
        ([*SCORE, conversion("x", "sky-miles", "score", "1", from_partner="skyline")], ["conversion/x.to"]),
        ([POINTS, OUT | {"spec": {**OUT["spec"], "from_partner": "skyline"}}], ["conversion/to-skyline"]),
        ([POINTS, conversion("x", "points", "miles", "1", to_partner="skyline", expiry="keep")], ["conversion/x"]),
        ([POINTS, conversion("x", "points", "miles", "1", to_partner="skyline", funder="us")], ["conversion/x"]),
        (
            [POINTS, OUT, conversion("x", "sky-miles", "points", "4", from_partner="skyline")],
            ["conversion/x.rate"],
        ),
        ([partner("other", "no port")], ["partner/other.exchange.address"]),
        ([partner("other", timeout_ms=0)], ["partner/other.exchange.timeout_ms"]),
    ],
)
def test_mistakes_in_documents_of_partners_are_named(documents: list[dict[str, Any]], fields: list[str]) -> None:
    with pytest.raises(DocumentErrors) as caught:
        compile_documents([Document(**document) for document in (programme(), partner(), *documents)])
    assert [violation.field for violation in caught.value.violations] == fields
