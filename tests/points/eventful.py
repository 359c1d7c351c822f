"""A life in which everything that points do has happened at least once."""

from datetime import date
from typing import Any

from services.chassis.instants import timestamp
from tests.points.builders import (
    SCORE,
    Member,
    Shop,
    accept,
    activity,
    adjust,
    approve,
    budget,
    capture,
    conversion,
    convert,
    convert_with_partner,
    extend,
    forfeit,
    give,
    grant,
    hold,
    in_group,
    local,
    partner,
    record,
    refund,
    release,
    reverse,
    rule,
    settle_with_partner,
    spend,
    unit,
)
from tests.points.returns import complete, key_of, returning

OPENING = "2026-05-01 12:00"
_LASTING: dict[str, Any] = {"refund": "min-validity", "gift": {}, "spend": {"max_per_day": 1_000}}
DOCUMENTS = [
    unit(**_LASTING),
    rule(),
    unit("sliding", expiry={"policy": "sliding", "days": 30}, gift={"acceptance": "required"}),
    rule("slide", "sliding", cap={"amount": 1_000, "period": "month"}),
    conversion("to-points", "sliding", "points"),
    budget("seed", 20_000, of="sliding", period="month"),
    rule("seeds", "sliding", rate="1/100", budget="seed"),
    unit("stays"),
    rule("stays", "stays", pending="until-completed"),
    partner(),
    unit("flown"),
    unit("family", pooling={"order": "by-expiry"}),
    conversion("to-skyline", "flown", "sky-miles", "1/2", to_partner="skyline"),
    conversion("from-skyline", "sky-miles", "flown", "2", from_partner="skyline"),
    *SCORE,
]
"""What has to be published for it."""


async def live(shop: Shop, members: int = 1, routing: int = 0, *, sealed: bool = False) -> None:
    """Let members live it, from the opening of the shop until August; `sealed` in June, so that much changes later."""
    lives = [await _until_june(shop, await shop.enrol(routing=routing)) for _ in range(members)]
    if sealed:
        await shop.seal()
    await shop.go_to("2026-08-01")
    for spend_id in (spend_id for spends in lives for spend_id in spends):
        await shop.points.RefundSpend(refund(spend_id))


async def _until_june(shop: Shop, member: Member) -> tuple[str, str]:
    """Returns the spends that are refunded in the end."""
    points = shop.points
    await shop.lot(member, 100, date(2026, 6, 10), **_LASTING)
    await shop.earn(member, 200)
    reversed_later = await shop.earn(member, 300)
    spent = await points.Spend(spend(member, 150, reference="order 1", order_minor=3000))
    await points.RefundSpend(refund(spent.spend_id, order_returned_minor=400))
    cart = {"reference": "cart", "order_minor": 5000}
    held = [await points.Hold(hold(member, 100, local("2026-06-05"), **cart)) for _ in range(3)]
    await points.CaptureHold(capture(held[0].hold_id, 40))
    await points.ReleaseHold(release(held[1].hold_id))
    other = await shop.enrol(routing=member.partition)
    await points.Gift(give(member, other, 10, reference="birthday"))
    offered = await points.Gift(give(member, other, 20, unit="sliding"))
    await points.AcceptGift(accept(offered.gift_id, other))
    for _ in range(2):
        scored = await points.Adjust(adjust(member, 4, unit="score", effective_at=timestamp(local("2026-04-30"))))
        await shop.as_caller("fuel").ResolveAdjustment(approve(scored.adjustment_id))
    proposed = await points.Adjust(adjust(member, -10))
    await shop.as_caller("fuel").ResolveAdjustment(approve(proposed.adjustment_id))
    await points.Spend(spend(member, 240))
    await points.RefundActivity(returning(reversed_later.activity_id, amount_minor=70))
    await points.ReverseActivity(reverse(reversed_later.activity_id))
    waited_for = activity(member, 30, await shop.now())
    for share in (10, 25):
        await points.RefundActivity(returning(key=key_of(waited_for), amount_minor=share))
    await points.RecordActivity(record(waited_for))
    await points.CompleteActivity(complete(key=key_of(waited_for)))
    await points.Grant(grant(member, 90, merchant="cafe", reference="sorry"))
    await points.Convert(convert(member, 100, "to-points", reference="order 2"))
    await points.Forfeit(forfeit(member, 30, unit="sliding", reference="case 7"))
    await shop.open_account_at_partner(member)
    await points.Grant(grant(member, 20, unit="flown"))
    for code, decision in (("to-skyline", "booked"), ("from-skyline", "booked"), ("to-skyline", "refused")):
        asked = await points.ConvertWithPartner(convert_with_partner(member, 10, code, reference="trip"))
        conversion_id = asked.conversion.partner_conversion_id
        await points.SettlePartnerConversion(settle_with_partner(conversion_id, decision))
    await points.ExtendHold(extend(held[2].hold_id, local("2026-06-07")))
    return spent.spend_id, await _spend_together(shop, member, other)


async def _spend_together(shop: Shop, member: Member, other: Member) -> str:
    """What two of a group have; of one order a part comes back, of the other one nothing yet."""
    group_id = await shop.found(member, other)
    for each, amount in ((member, 30), (other, 50)):
        await shop.points.Grant(grant(each, amount, unit="family"))
    told: dict[str, Any] = {"unit": "family", "group_id": in_group(group_id), "reference": "order 3"}
    first = await shop.points.Spend(spend(other, 60, order_minor=600, **told))
    await shop.points.RefundSpend(refund(first.spend_id, order_returned_minor=100))
    second = await shop.points.Spend(spend(member, 20, **told))
    spend_id: str = second.spend_id
    return spend_id
