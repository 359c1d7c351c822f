"""E2: partial refunds give back in reverse order of use, and never more than was spent."""

from datetime import date

from grpc import StatusCode

from tests.points.builders import Shop, open_shop, refund, refusal_of, rule, spend, unit


async def test_partial_refunds_go_back_last_burnt_first() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        first = await shop.lot(member, 100, date(2026, 6, 30))
        second = await shop.lot(member, 200, date(2026, 12, 31))
        await shop.go_to("2026-06-01 12:00")
        spent = await shop.points.Spend(spend(member, 150))
        await shop.go_to("2026-06-10 12:00")
        assert await _parts_of_refund(shop, spent.spend_id, 60) == [(second, 50), (first, 10)]
        assert await _parts_of_refund(shop, spent.spend_id, 90) == [(first, 90)]
        refusal = await refusal_of(shop.points.RefundSpend(refund(spent.spend_id, 1)))
        assert (refusal.reason, refusal.code) == ("REFUND_EXCEEDS_SPEND", StatusCode.FAILED_PRECONDITION)
        assert refusal.metadata == {"refundable": "0", "requested": "1"}
        assert await shop.remaining(member) == {first: 100, second: 200}
        assert await shop.findings() == []


async def test_what_was_refunded_as_expired_counts_as_refunded() -> None:
    async with open_shop(unit(), rule(), at="2026-05-01") as shop:
        member = await shop.enrol()
        await shop.lot(member, 100, date(2026, 6, 30))
        spent = await shop.points.Spend(spend(member, 100))
        await shop.go_to("2026-07-01")
        refunded = await shop.points.RefundSpend(refund(spent.spend_id, 40))
        assert (refunded.refunded, refunded.expired, refunded.balance_after) == (40, 40, 0)
        refusal = await refusal_of(shop.points.RefundSpend(refund(spent.spend_id, 61)))
        assert refusal.metadata == {"refundable": "60", "requested": "61"}
        refunded = await shop.points.RefundSpend(refund(spent.spend_id))
        assert (refunded.refunded, refunded.expired) == (60, 60)
        refusal = await refusal_of(shop.points.RefundSpend(refund(spent.spend_id)))
        assert refusal.reason == "REFUND_EXCEEDS_SPEND"
        assert await shop.findings() == []


async def _parts_of_refund(shop: Shop, spend_id: str, amount: int) -> list[tuple[str, int]]:
    refunded = await shop.points.RefundSpend(refund(spend_id, amount))
    return [(part.lot_id, part.amount) for part in refunded.lots]
