"""With time fixed, any split of any commands into batches gives the same tables, verdicts and events as one by one."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.chassis import ids
from services.chassis.access import ALL, Caller
from services.chassis.instants import timestamp
from services.chassis.verdicts import OK
from services.points import requests
from services.points.activities.parking import COMPLETION, parked_id_of
from services.points.adjustments import requests as adjustment_requests
from services.points.adjustments.commands import Adjust, ResolveAdjustment
from services.points.commands import (
    ActivityKey,
    CaptureHold,
    CompleteActivity,
    Convert,
    ExtendHold,
    Forfeit,
    Grant,
    PlaceHold,
    RecordActivity,
    RefundActivity,
    RefundSpend,
    ReleaseHold,
    ResolveParkedRefund,
    ReverseActivity,
    SettleWallets,
    Spend,
)
from services.points.gifts import requests as gift_requests
from services.points.gifts.commands import AcceptGift, CancelGift, Give
from services.points.partners import requests as partner_requests
from services.points.partners.commands import (
    AnswerPartnerConversion,
    SettlePartnerConversion,
    StartPartnerConversion,
)
from services.points.partners.values import Answer, State
from tessera.events.v1 import journal_pb2
from tessera.points.v1 import completion_pb2, event_pb2, movement_pb2, partner_conversion_pb2, refund_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points import builders, returns
from tests.points.builders import Member, Shop, activity, record, someone
from tests.points.terms import DOCUMENTS, OF_ALL_KINDS
from tests.support.exchange_partner import asked_by_nobody_else

CALLER = Caller("operator", frozenset(), ALL)
APPROVER = Caller("approver", frozenset(), ALL)
UNITS = ("lasting", "never", "sliding", "limited", "shared", "stays")
LIMITS = {
    "max_per_transaction": 30,
    "max_per_day": 40,
    "minimum": 2,
    "multiple_of": 2,
    "max_order_share": "1/2",
    "minor_per_point": "1",
}
LIMITED = (
    builders.unit("limited", spend=LIMITS, pooling={"order": "by-expiry"}),
    builders.rule("for-limited", "limited"),
)
POOLED = ("never", "never", "limited", "stays", "never")
MERCHANTS = ("", "cafe")
KINDS = [
    *("record", "record", "spend", "spend", "hold", "hold", "capture", "release", "refund", "reverse", "settle"),
    *("grant", "grant", "forfeit", "convert", "convert", "extend"),
    *("give", "give", "accept", "cancel", "adjust", "resolve"),
    *("pool", "pool", "pool", "refund pooled", "refund pooled"),
    *("exchange", "exchange", "answer", "answer", "decide"),
    *("return", "return by key", "return by key", "resolve parked", "complete", "complete by key"),
]
STAYS = [
    builders.unit("stays", expiry={"policy": "sliding", "days": 6}, pooling={}),
    builders.unit("nights", "qualifying"),
    *(builders.rule(f"later-{code}", code, pending="until-completed") for code in ("stays", "nights", "lasting")),
]
BUDGETS = [
    builders.budget("often", 120, of="shared", period="day"),
    builders.budget("once", 700, of="shared", portion=40),
    builders.rule("of-often", "shared", budget="often", rate="1/2"),
    builders.rule("of-often-too", "shared", budget="often", funders={"platform": 2, "mill": 1}, rate="1/3"),
    builders.rule("of-once", "shared", budget="once", pending="until-completed"),
]
EXCHANGES = [
    builders.partner(domain="fuel"),
    *(
        builders.conversion(
            f"{code}-out", code, "sky-miles", "1/3", to_partner="skyline", cap={"amount": 60, "period": "day"}
        )
        for code in ("lasting", "sliding")
    ),
    *(
        builders.conversion(
            f"{code}-in", "sky-miles", code, "2", from_partner="skyline", cap={"amount": 30, "period": "week"}
        )
        for code in ("lasting", "sliding")
    ),
]
GROUP_CAPS = [
    builders.rule("for-groups", "lasting", cap={"amount": 70, "period": "day", "per": "group"}),
    builders.rule("for-groups-too", "never", rate="1/2", cap={"amount": 90, "period": "month", "per": "group"}),
]
FOR_A_START = [("record", number, 90, who, "never", 9) for number, who in enumerate((0, 0, 1))]

Drawn = tuple[str, int, int, int, str, int]
"""What, a number to choose by, an amount, which member, which unit, and a chance."""
drawn_commands = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 7),
        st.sampled_from([0, 1, 5, 10, 40]),
        st.sampled_from([0, 0, 0, 1]),
        st.sampled_from(UNITS),
        st.integers(0, 12),
    ),
    min_size=8,
    max_size=20,
)
histories = st.lists(st.tuples(drawn_commands, st.timedeltas(timedelta(0), timedelta(days=9))), min_size=1, max_size=3)
_LIVES = itertools.count(1)


class Life:
    """Two members, and the commands that concern them: some of them repeat others, or use what others made."""

    def __init__(self, number: int) -> None:
        self.members = [someone(number=2 * number + n, routing=8 * n) for n in range(2)]
        self.group = builders.someone(number=-1 - number).uuid
        self._number = number
        self._commands: list[Any] = []
        self._parked: list[UUID] = []
        self._made: dict[str, list[UUID]] = defaultdict(list)

    def command(self, drawn: Drawn, now: datetime) -> Any:
        kind, number, amount, who, unit, chance = drawn
        if chance == 1 and self._commands:
            return self._commands[number % len(self._commands)]
        command = self._new(kind, number, amount, self.members[who], unit, now, {"validate_only": chance == 2})
        self._commands.append(command)
        return command

    def _new(
        self, kind: str, number: int, amount: int, member: Member, unit: str, now: datetime, fields: dict[str, Any]
    ) -> Any:
        fields["request_id"] = f"{self._number} {len(self._commands)}"
        match kind:
            case "record":
                purchase = activity(member, amount, now - timedelta(hours=number), reference=f"{self._number} {number}")
                return self._make("activity", requests.record_activity(record(purchase, **fields), CALLER, now))
            case "spend":
                request = builders.spend(
                    member, max(1, amount), unit=unit, merchant=MERCHANTS[number % 2], **fields, **_order(number)
                )
                return self._make("spend", requests.spend(request, CALLER, now))
            case "pool":
                # Often more than either of the two has.
                unit, amount = POOLED[number % len(POOLED)], max(1, 20 * amount)
                merchant, group_id = MERCHANTS[number % 2], builders.in_group(self.group)
                request = builders.spend(
                    member, amount, unit=unit, merchant=merchant, group_id=group_id, **fields, **_order(number)
                )
                command = requests.spend(request, CALLER, now)
                self._made["pooled_spend"].append(command.spend_id)
                return self._make("spend", command)
            case "refund pooled":
                spend_id = ids.encode("spend", ids.decode("pooledspend", self._one("pooled_spend", number)))
                part = {"order_returned_minor": 7} if number == 3 else {"amount": amount}
                return requests.refund_spend(builders.refund(spend_id, **part, **fields), CALLER)
            case "hold":
                until = now + timedelta(hours=1 + 20 * number)
                merchant = MERCHANTS[number % 2]
                request = builders.hold(
                    member, max(1, amount), until, unit=unit, merchant=merchant, **fields, **_order(number)
                )
                return self._make("hold", requests.place_hold(request, CALLER, now))
            case "capture":
                request = builders.capture(self._one("hold", number), amount // 10, **fields)
                return self._make("spend", requests.capture_hold(request, CALLER))
            case "release":
                return requests.release_hold(builders.release(self._one("hold", number), **fields), CALLER)
            case "extend":
                until = now + timedelta(hours=30 * number)
                return requests.extend_hold(builders.extend(self._one("hold", number), until, **fields), CALLER)
            case "grant":
                until = now + timedelta(days=number) if number > 1 else None
                merchant = MERCHANTS[number % 2]
                return requests.grant(
                    builders.grant(member, max(1, amount), until, unit=unit, merchant=merchant, **fields), CALLER
                )
            case "forfeit":
                return requests.forfeit(builders.forfeit(member, amount // 5, unit=unit, **fields), CALLER)
            case "convert":
                code = "to-lasting" if number % 3 else "to-never"
                return requests.convert(builders.convert(member, max(1, amount // 2), code, **fields), CALLER, now)
            case "refund":
                part = {"order_returned_minor": 7} if number == 3 else {"amount": amount // 10}
                request = builders.refund(self._one("spend", number), **part, **fields)
                return requests.refund_spend(request, CALLER)
            case "give":
                request = builders.give(member, self._other(member), max(1, amount), unit=unit, **fields)
                return self._make("gift", gift_requests.give(request, CALLER, now))
            case "accept":
                request = builders.accept(self._one("gift", number), self._other(member), **fields)
                return gift_requests.accept_gift(request, CALLER)
            case "cancel":
                return gift_requests.cancel_gift(builders.take_back(self._one("gift", number), **fields), CALLER)
            case "adjust":
                unit, when = (
                    ("nights", {"effective_at": timestamp(now - timedelta(days=number))}) if number > 4 else (unit, {})
                )
                request = builders.adjust(
                    member, (amount or 1) * (-1 if number % 2 else 1), unit=unit, **when, **fields
                )
                return self._make("adjustment", adjustment_requests.adjust(request, CALLER))
            case "resolve":
                resolve = builders.approve if number % 3 else builders.reject
                request = resolve(self._one("adjustment", number), **fields)
                return adjustment_requests.resolve_adjustment(request, CALLER if number % 4 == 1 else APPROVER)
            case "exchange":
                code = f"{'sliding' if unit == 'sliding' else 'lasting'}-{'in' if number % 3 == 0 else 'out'}"
                account = {"partner_account_id": member.account_id}
                request = builders.convert_with_partner(member, max(1, amount), code, **account, **fields)
                command = partner_requests.convert_with_partner(request, CALLER, now)
                return self._make("partner_conversion", command)
            case "answer":
                answered = ids.decode("partnerconversion", self._one("partner_conversion", number))
                return AnswerPartnerConversion(answered, ANSWERED[amount % 3])
            case "decide":
                conversion_id = self._one("partner_conversion", number)
                decision = "booked" if number % 2 else "refused"
                request = builders.settle_with_partner(conversion_id, decision, **fields)
                return partner_requests.settle_partner_conversion(request, CALLER)
            case "return":
                request = returns.returning(self._one("activity", number), **self._returned(number, amount), **fields)
                return requests.refund_activity(request, CALLER)
            case "return by key":
                purchase = activity(member, 0, now, reference=f"{self._number} {number}")
                returned = self._returned(number, amount)
                request = returns.returning(key=returns.key_of(purchase), **returned, **fields)
                command = requests.refund_activity(request, CALLER)
                assert isinstance(command.activity, ActivityKey)
                self._parked.append(parked_id_of(command.activity, command.reference))
                return command
            case "complete":
                at = now - timedelta(hours=number)
                request = returns.complete(self._one("activity", amount % 4), at, **fields)
                return requests.complete_activity(request, CALLER)
            case "complete by key":
                purchase = activity(member, 0, now, reference=f"{self._number} {number}")
                request = returns.complete(at=now - timedelta(hours=amount), key=returns.key_of(purchase), **fields)
                command = requests.complete_activity(request, CALLER)
                assert isinstance(command.activity, ActivityKey)
                self._parked.append(parked_id_of(command.activity, COMPLETION))
                return command
            case "resolve parked":
                parked_id = self._parked[-1 - number % len(self._parked)] if self._parked else ids.new_id(0)
                request = returns.resolve(ids.encode("parkedrefund", parked_id), resolution=1 + (amount == 1), **fields)
                return requests.resolve_parked_refund(request, CALLER)
            case "reverse":
                request = builders.reverse(self._one("activity", number), **fields)
                return requests.reverse_activity(request, CALLER)
            case _:
                return SettleWallets(0, [member.uuid])

    def _other(self, member: Member) -> Member:
        return self.members[1 - self.members.index(member)]

    def _returned(self, number: int, amount: int) -> dict[str, Any]:
        """What comes back, and how that refund is called: now and then like another one."""
        returned: dict[str, Any] = {"reference": f"return {number % 3} {amount}"}
        if amount == 1:
            return returned
        if amount == 5:
            return {**returned, "lines": [returns.part(0, 3 + number)]}
        return {**returned, "amount_minor": max(1, amount // 2)}

    def _make(self, what: str, command: Any) -> Any:
        self._made[what].append(getattr(command, f"{what}_id"))
        return command

    def _one(self, what: str, number: int) -> str:
        """One that was made, one of the last rather than of the first; or one that never was."""
        made = self._made[what] or [ids.new_id(0)]
        return ids.encode(what.replace("_", ""), made[-1 - number % len(made)])


def _order(number: int) -> dict[str, Any]:
    """What a spend or hold says of its order."""
    return {"order_minor": 15 * number, "up_to": number > 2, "reference": "order" if number > 1 else ""}


class Service:
    """A points service whose lane is handed commands as batches."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._told = 0

    async def begin(self, life: Life) -> None:
        for member in life.members:
            await self.shop.introduce(member)
            await self.shop.seat(life.group, member)
        self._told = await self._fetchval("SELECT position FROM head WHERE partition = 0")

    async def write(self, batches: Sequence[Sequence[Any]]) -> list[tuple[int, Any]]:
        outcomes: list[Any] = []
        for batch in batches:
            outcomes += await self.shop.suite.lanes("points").submit(batch)
        commands = [command for batch in batches for command in batch]
        return [verdict(command, outcome) for command, outcome in zip(commands, outcomes, strict=True)]

    async def events(self) -> list[str]:
        """What was told since the life began, without what depends on positions."""
        rows = await self.shop.suite.running["points"].platform.pool.fetch(
            "SELECT payload FROM journal WHERE partition = 0 AND position > $1 ORDER BY position", self._told
        )
        events = [
            event_pb2.Event.FromString(raw)
            for row in rows
            for raw in journal_pb2.Journal.FromString(row["payload"]).events
        ]
        for event in events:
            event.activity_recorded.ClearField("digest")
            event.activity_refunded.ClearField("digest")
            event.parked_refund_changed.ClearField("digest")
            event.entry_booked.ClearField("ordinal")
            for earned in event.activity_recorded.earned:
                earned.ClearField("ordinal")
        return [str(event) for event in events]

    async def tables(self, life: Life) -> dict[str, list[Any]]:
        """All rows of the members and their group, without what depends on positions."""
        members = [life.group, *(member.uuid for member in life.members)]
        pool = self.shop.suite.running["points"].platform.pool
        tables = {name: [tuple(row) for row in await pool.fetch(sql, members)] for name, sql in TABLES.items()}
        budgets = {name: [tuple(row) for row in await pool.fetch(sql)] for name, sql in OF_ALL_PARTITIONS.items()}
        return {**tables, **budgets}

    async def _fetchval(self, sql: str) -> Any:
        return await self.shop.suite.running["points"].platform.pool.fetchval(sql)


ANSWERED = [
    Answer(State.DONE, "SKY-1"),
    Answer(State.REFUSED, reason="no such flyer"),
    Answer(State.UNKNOWN),
]
USERS = ("hold", "spend", "gift", "adjustment", "partner_conversion", "movement", "clawback")
_USERS = "SELECT {0}_id FROM {0}s WHERE member_id = ANY($1)"
TABLES = {
    "activities": """
        SELECT activity_id, natural_key, member_id, effective_at, fingerprint, body, lines, reversed_at
        FROM activities WHERE member_id = ANY($1) ORDER BY activity_id""",
    "refunds": """
        SELECT activity_id, ordinal, member_id, reference, fingerprint, refunded_at
        FROM refunds WHERE member_id = ANY($1) ORDER BY activity_id, ordinal""",
    "completions": """
        SELECT * FROM completions WHERE member_id = ANY($1) ORDER BY activity_id""",
    "parked_refunds": """
        SELECT parked_refund_id, natural_key, ordinal, member_id, domain, type, activity_reference, reference, body,
               state, reason, parked_at, closed_at
        FROM parked_refunds WHERE member_id = ANY($1) ORDER BY parked_refund_id""",
    "entries": """
        SELECT member_id, unit, kind, amount, balance_after, counterparty, effective_at, recorded_at, account_id,
               source_id, level
        FROM entries WHERE member_id = ANY($1) ORDER BY member_id, position, ordinal""",
    "lot_uses": f"""
        SELECT * FROM lot_uses
        WHERE user_id IN ({" UNION ".join(map(_USERS.format, USERS))})
        ORDER BY user_id, ordinal""",
    **{
        table: f"SELECT * FROM {table} WHERE member_id = ANY($1) ORDER BY member_id, {key}"
        for table, key in {
            "balances": "unit",
            "lots": "lot_id",
            "holds": "hold_id",
            "spends": "spend_id",
            "pooled_spends": "spend_id",
            "contributions": "pooled_spend_id, ordinal",
            "gifts": "gift_id",
            "adjustments": "adjustment_id",
            "partner_conversions": "partner_conversion_id",
            "clawbacks": "clawback_id",
            "movements": "movement_id",
            "cap_uses": "rule, period_start",
        }.items()
    },
}
OF_ALL_PARTITIONS = {
    name: f"SELECT * FROM {name} ORDER BY partition, budget, period_start"
    for name in ("budget_portions", "budget_pools")
}
ANSWERS = {
    RecordActivity: pb.RecordActivityResponse,
    Spend: pb.SpendResponse,
    PlaceHold: pb.HoldResponse,
    CaptureHold: pb.CaptureHoldResponse,
    ReleaseHold: pb.ReleaseHoldResponse,
    RefundSpend: pb.RefundSpendResponse,
    Give: pb.GiftResponse,
    Adjust: pb.AdjustResponse,
    ResolveAdjustment: pb.ResolveAdjustmentResponse,
    AcceptGift: pb.AcceptGiftResponse,
    CancelGift: pb.CancelGiftResponse,
    ReverseActivity: pb.ReverseActivityResponse,
    ExtendHold: pb.ExtendHoldResponse,
    Grant: movement_pb2.GrantResponse,
    Forfeit: movement_pb2.ForfeitResponse,
    Convert: movement_pb2.ConvertResponse,
    RefundActivity: refund_pb2.RefundActivityResponse,
    CompleteActivity: completion_pb2.CompleteActivityResponse,
    ResolveParkedRefund: refund_pb2.ResolveParkedRefundResponse,
    StartPartnerConversion: partner_conversion_pb2.ConvertWithPartnerResponse,
    AnswerPartnerConversion: partner_conversion_pb2.SettlePartnerConversionResponse,
    SettlePartnerConversion: partner_conversion_pb2.SettlePartnerConversionResponse,
}


def verdict(command: Any, outcome: Any) -> tuple[int, Any]:
    """A verdict without the position at which it was committed."""
    if isinstance(outcome, BaseException):
        raise outcome
    if outcome.code != OK:
        return outcome.code, str(outcome.status())
    if isinstance(command, SettleWallets):
        return OK, outcome.payload
    answer = ANSWERS[type(command)].FromString(outcome.payload)
    answer.ClearField("position")
    if "to_position" in answer.DESCRIPTOR.fields_by_name:
        answer.ClearField("to_position")
    for contribution in getattr(answer, "contributions", ()):
        contribution.ClearField("position")
    if isinstance(command, ResolveParkedRefund):
        answer.refund.ClearField("position")
    return OK, str(answer)


def split(commands: Sequence[Any], drawn: Sequence[Any]) -> list[list[Any]]:
    """Commands in batches: a new one begins where chance says so."""
    batches: list[list[Any]] = [[]]
    for command, (*_, chance) in zip(commands, drawn, strict=True):
        if chance in (3, 4) and batches[-1]:
            batches.append([])
        batches[-1].append(command)
    return batches


def test_any_split_into_batches_is_the_same_as_one_by_one() -> None:
    with asked_by_nobody_else(), asyncio.Runner() as runner, ExitStack() as stack:
        services = [Service(opened(runner, stack)) for _ in range(2)]

        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(histories)
        def prove(history: Any) -> None:
            runner.run(same_of_both(services, Life(next(_LIVES)), history))

        prove()


def opened(runner: asyncio.Runner, stack: ExitStack) -> Shop:
    documents = (*DOCUMENTS, *OF_ALL_KINDS, *LIMITED, *STAYS, *BUDGETS, *EXCHANGES, *GROUP_CAPS)
    opening = builders.open_shop(*documents, at="2026-01-20 12:00")
    shop = runner.run(opening.__aenter__())
    stack.callback(lambda: runner.run(opening.__aexit__(None, None, None)))
    return shop


async def same_of_both(services: Sequence[Service], life: Life, history: Any) -> None:
    one_by_one, in_batches = services
    for service in services:
        await service.begin(life)
    for number, (later, wait) in enumerate(history):
        drawn = later if number else [*FOR_A_START, *later]
        now = await one_by_one.shop.now()
        commands = [life.command(one, now) for one in drawn]
        alone = await one_by_one.write([[command] for command in commands])
        together = await in_batches.write(split(commands, drawn))
        assert together == alone
        for service in services:
            await service.shop.jump_to(now + wait)
    assert await in_batches.tables(life) == await one_by_one.tables(life)
    assert await in_batches.events() == await one_by_one.events()
    assert await in_batches.shop.findings() == []


async def test_an_activity_that_is_recorded_and_reversed_in_one_batch_finds_its_whole_wallet() -> None:
    async with builders.open_shop(builders.unit(expiry={"policy": "duration", "days": 5}), builders.rule()) as shop:
        member = await shop.enrol()
        await shop.earn(member, 10)
        await shop.jump_to("2026-01-10")
        now = await shop.now()
        recorded = requests.record_activity(record(activity(member, 5, now)), CALLER, now)
        activity_id = ids.encode("activity", recorded.activity_id)
        reversal = requests.reverse_activity(builders.reverse(activity_id), CALLER)
        outcomes = await shop.suite.lanes("points").submit([recorded, reversal])
        assert [outcome.code for outcome in outcomes] == [OK, OK]
        assert await shop.entries(member) == [("earn", 10), ("earn", 5), ("expire", -10), ("clawback", -5)]
        assert await shop.findings() == []
