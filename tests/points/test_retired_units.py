"""A unit whose document is removed: nobody earns or spends it any more, and what members have of it is still theirs."""

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import capture, hold, local, open_shop, outcome, programme, refund, rule, spend, unit


async def test_what_there_is_of_it_is_told_comes_back_and_expires() -> None:
    async with open_shop(unit(expiry={"policy": "duration", "days": 3}), rule(), unit("miles")) as shop:
        member, stranger = await shop.enrol(), await shop.enrol()
        await shop.earn(member, 100)
        spent = await shop.points.Spend(spend(member, 10))
        held = await shop.points.Hold(hold(member, 20, local("2026-01-02")))
        await shop.publish_only(programme(), unit("miles"))

        assert (await shop.earn(member, 100)).earnings == []
        assert await outcome(shop.points.Spend(spend(member, 1))) == "UNIT_UNKNOWN"
        balances = (await shop.points.GetBalance(pb.GetBalanceRequest(member_id=member.member_id))).balances
        assert [(one.unit, one.available, one.held) for one in balances] == [("miles", 0, 0), ("points", 70, 20)]

        await shop.points.RefundSpend(refund(spent.spend_id))
        await shop.points.CaptureHold(capture(held.hold_id, 5))
        assert await shop.available(member) == 95
        assert [lot.remaining for lot in await shop.lots(member)] == [95]
        assert await shop.available(member, at=local("2026-01-04")) == 0
        answers = shop.points.GetLiability(pb.GetLiabilityRequest(unit="points"))
        assert [line.outstanding async for answer in answers for line in answer.lines] == [95]
        await shop.go_to("2026-01-05")
        told = [("earn", 100), ("spend", -10), ("refund", 10), ("spend", -5), ("expire", -95)]
        assert await shop.entries(member) == told
        assert await shop.findings() == []

        for nobodys in ((stranger, "points"), (member, "gold")):
            for read in (shop.balance, shop.entries):
                assert await outcome(read(*nobodys)) == "UNIT_UNKNOWN"
