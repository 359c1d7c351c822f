"""A request that each method which changes something accepts, with whatever has to be there before it."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from google.protobuf.descriptor import MethodDescriptor

from tessera.points.v1 import activity_pb2, points_service_pb2
from tests.points import builders, returns
from tests.points.builders import Member, Shop

CONVERSION = "to-miles"
DOCUMENTS = (
    builders.funder("mill"),
    builders.unit(pooling={}),
    builders.unit("miles"),
    builders.unit("score", "qualifying"),
    builders.unit("loose", approval_above=1 << 52),
    builders.unit("offered", gift={"acceptance": "required"}),
    builders.unit("given", gift={}),
    builders.rule(),
    builders.rule("given", "given"),
    builders.rule("offered", "offered"),
    builders.rule("stays", "miles", pending="until-completed"),
    builders.conversion(CONVERSION),
    builders.partner(),
    builders.conversion("to-skyline", "points", "sky-miles", "1/2", to_partner="skyline"),
)
"""A unit for each kind of operation, so that none stands in the way of another."""


class Mutation(NamedTuple):
    """A method that changes something: it takes request ids."""

    name: str
    request: Any
    """The type of its request."""
    bulk: MethodDescriptor | None
    """Its bulk form."""


def mutations() -> list[Mutation]:
    """The methods of the contract that change something."""
    service = points_service_pb2.DESCRIPTOR.services_by_name["PointsService"]
    bulk = {
        method.input_type.fields_by_name["requests"].message_type.name: method
        for method in service.methods
        if "requests" in method.input_type.fields_by_name
    }
    return [
        Mutation(method.name, method.input_type._concrete_class, bulk.get(method.input_type.name))
        for method in service.methods
        if "request_id" in method.input_type.fields_by_name
    ]


class Given(NamedTuple):
    """Who takes part in a good request."""

    shop: Shop
    member: Member
    friend: Member

    async def now(self) -> Any:
        return await self.shop.now()

    async def hold_id(self) -> str:
        """A hold that is open."""
        until = await self.now() + timedelta(days=1)
        return str((await self.shop.points.Hold(builders.hold(self.member, 10, until))).hold_id)

    async def purchase(self) -> activity_pb2.Activity:
        """A purchase that is recorded."""
        lines = [builders.line(50, quantity=5, sku="milk"), builders.line(50, quantity=5)]
        bought: activity_pb2.Activity = builders.activity(
            self.member, lines, await self.now(), currency="CNY", attributes={"till": "3"}
        )
        return bought

    async def recorded(self) -> activity_pb2.Activity:
        """One that is recorded."""
        bought = await self.purchase()
        await self.shop.points.RecordActivity(builders.record(bought))
        return bought


async def _record(given: Given) -> Any:
    return builders.record(await given.purchase())


async def _reverse(given: Given) -> Any:
    answer = await given.shop.points.RecordActivity(await _record(given))
    return builders.reverse(answer.activity_id)


async def _refund_activity(given: Given) -> Any:
    bought = await given.recorded()
    return returns.returning(key=returns.key_of(bought), lines=[returns.part(0, quantity=1)])


async def _complete(given: Given) -> Any:
    return returns.complete(key=returns.key_of(await given.recorded()))


async def _resolve_parked(given: Given) -> Any:
    missing = returns.key_of(await given.purchase())
    answer = await given.shop.points.RefundActivity(returns.returning(key=missing))
    return returns.resolve(answer.parked_refund_id)


async def _spend(given: Given) -> Any:
    return builders.spend(given.member, 1, reference=builders.reference(), merchant="cafe", order_minor=5)


async def _hold(given: Given) -> Any:
    until = await given.now() + timedelta(days=1)
    return builders.hold(given.member, 1, until, reference=builders.reference(), merchant="cafe", order_minor=5)


async def _capture(given: Given) -> Any:
    return builders.capture(await given.hold_id(), 3)


async def _release(given: Given) -> Any:
    return builders.release(await given.hold_id())


async def _extend(given: Given) -> Any:
    return builders.extend(await given.hold_id(), await given.now() + timedelta(days=2))


async def _refund_spend(given: Given) -> Any:
    spent = await given.shop.points.Spend(builders.spend(given.member, 10, order_minor=100))
    return builders.refund(spent.spend_id)


async def _grant(given: Given) -> Any:
    until = await given.now() + timedelta(days=1)
    told = {"reference": builders.reference(), "funder": "mill", "merchant": "cafe"}
    return builders.grant(given.member, 1, until, **told)


async def _forfeit(given: Given) -> Any:
    return builders.forfeit(given.member, 1, reference=builders.reference())


async def _convert(given: Given) -> Any:
    return builders.convert(given.member, 3, CONVERSION, reference=builders.reference())


async def _convert_with_partner(given: Given) -> Any:
    """Nobody listens at the partner's address, so that its answer stays unknown."""
    return builders.convert_with_partner(given.member, 2, reference=builders.reference())


async def _settle_partner_conversion(given: Given) -> Any:
    answer = await given.shop.points.ConvertWithPartner(await _convert_with_partner(given))
    return builders.settle_with_partner(answer.conversion.partner_conversion_id)


async def _gift(given: Given) -> Any:
    return builders.give(given.member, given.friend, 1, unit="given", reference=builders.reference())


async def _offered(given: Given) -> str:
    answer = await given.shop.points.Gift(builders.give(given.member, given.friend, 1, unit="offered"))
    return str(answer.gift_id)


async def _accept(given: Given) -> Any:
    return builders.accept(await _offered(given), given.friend)


async def _cancel(given: Given) -> Any:
    return builders.take_back(await _offered(given))


async def _adjust(given: Given) -> Any:
    return builders.adjust(given.member, 1, unit="loose", cause=builders.reference(), funder="mill")


async def _resolve_adjustment(given: Given) -> Any:
    """Another caller than the one who asks most has proposed it."""
    proposer = "fuel" if given.member.domain == "fuel" else "operator"
    proposed = await given.shop.as_caller(proposer).Adjust(builders.adjust(given.member, 7))
    return builders.approve(proposed.adjustment_id)


GOOD: dict[str, Callable[[Given], Awaitable[Any]]] = {
    "RecordActivity": _record,
    "ReverseActivity": _reverse,
    "RefundActivity": _refund_activity,
    "CompleteActivity": _complete,
    "ResolveParkedRefund": _resolve_parked,
    "Spend": _spend,
    "Hold": _hold,
    "CaptureHold": _capture,
    "ReleaseHold": _release,
    "ExtendHold": _extend,
    "RefundSpend": _refund_spend,
    "Grant": _grant,
    "Forfeit": _forfeit,
    "Convert": _convert,
    "ConvertWithPartner": _convert_with_partner,
    "SettlePartnerConversion": _settle_partner_conversion,
    "Gift": _gift,
    "AcceptGift": _accept,
    "CancelGift": _cancel,
    "Adjust": _adjust,
    "ResolveAdjustment": _resolve_adjustment,
}


def paths(message: Any, before: str = "") -> Iterator[str]:
    """The fields of a request, those of its messages too: `activity.lines[0].sku`. Times are fields of their own."""
    for field in message.DESCRIPTOR.fields:
        path, inner = f"{before}{field.name}", field.message_type
        if field.name == "at_least":
            continue
        if inner is None or inner.GetOptions().map_entry or inner.full_name == "google.protobuf.Timestamp":
            yield path
        elif field.is_repeated:
            yield path
            yield from paths(inner._concrete_class(), f"{path}[0].")
        else:
            yield from paths(inner._concrete_class(), f"{path}.")
