"""Messages of the contract to values, and values to messages."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.chassis import ids
from services.chassis.instants import timestamp
from services.chassis.operations import Moment
from services.points.activities.returns import Asked, Line, Part, RecordedRule, Returned
from services.points.activities.rules import Earned, RuleOutcome
from services.points.commands import RecordActivity
from services.points.values import UNTIL_COMPLETED, Balance, Booked, Hold, LotUse, Spend
from services.points.wallets.rules import Captured, Refunded, Released
from tessera.points.v1 import activity_pb2, completion_pb2, refund_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2

SERVICE = "points"
_ROUNDING, _BASE = "floor", "cash_minor"
"""How a rule rounds, and what of a line it looks at, unless it is said otherwise."""


def member_id(value: UUID) -> str:
    """A member's ID on the wire."""
    return ids.encode("member", value)


def account_id(value: UUID) -> str:
    """An account's ID on the wire."""
    return ids.encode("account", value)


def activity_id(value: UUID) -> str:
    """An activity's ID on the wire."""
    return ids.encode("activity", value)


def hold_id(value: UUID) -> str:
    """A hold's ID on the wire."""
    return ids.encode("hold", value)


def spend_id(value: UUID) -> str:
    """A spend's ID on the wire."""
    return ids.encode("spend", value)


def lot_id(value: UUID) -> str:
    """A lot's ID on the wire."""
    return ids.encode("lot", value)


def decode_account(text: str) -> UUID:
    """An account's ID."""
    return ids.decode("account", text)


def activity_of(body: bytes) -> activity_pb2.Activity:
    """A recorded activity."""
    return activity_pb2.Activity.FromString(body)


def position_of(moment: Moment[Any]) -> position_pb2.Position:
    """Where a batch of one partition is committed. The same message for the whole batch: it is only ever copied."""
    ((partition, position),) = moment.positions.items()
    return _position(partition, position)


@lru_cache(maxsize=64)
def _position(partition: int, position: int) -> position_pb2.Position:
    return position_pb2.Position(service=SERVICE, partition=partition, position=position)


@lru_cache(maxsize=4096)
def _civil(at: datetime) -> Timestamp:
    """A civil time, of which a year has few: remembered, and only ever copied."""
    return timestamp(at)


def record_response(
    command: RecordActivity,
    earnings: Sequence[Earned],
    booked: Sequence[Booked],
    effective_at: datetime,
    moment: Moment[Any],
) -> bytes:
    """What recording did, which is also what is kept of it as its recorded effects."""
    response = pb.RecordActivityResponse(position=position_of(moment))
    response.activity_id = activity_id(command.activity_id)
    response.config_version = moment.config_version
    if command.occurred_at > effective_at:
        response.booked_at_receipt = True
    fill_earnings(response, earnings, booked, effective_at)
    return response.SerializeToString()


def fill_earnings(
    response: pb.RecordActivityResponse | pb.SimulateActivityResponse,
    earnings: Sequence[Earned],
    booked: Sequence[Booked],
    effective_at: datetime,
) -> None:
    """What an activity earns. What was booked are the earnings that are not zero, in their order."""
    bookings = iter(booked)
    for earned in earnings:
        message = response.earnings.add()
        message.unit = earned.unit.code
        message.amount = earned.amount
        message.funder = earned.funder
        if earned.until_completed:
            message.until_completed = True
        if earned.amount and not earned.is_booked_later:
            _fill_booked(message, next(bookings), effective_at)
        for outcome in earned.rules:
            fill_rule(message.rules.add(), outcome)


def _fill_booked(message: activity_pb2.Earning, booked: Booked, effective_at: datetime) -> None:
    entry, lot, balance = booked
    message.balance_after = entry.balance_after
    if lot is None:
        return
    message.lot_id = lot_id(lot.lot_id)
    if lot.available_at == UNTIL_COMPLETED:
        return
    if lot.available_at != effective_at:
        message.available_at.CopyFrom(_civil(lot.available_at))
    expires_at = balance.slides_to if lot.slides else lot.expires_at
    if expires_at is not None:
        message.expires_at.CopyFrom(_civil(expires_at))


@lru_cache(maxsize=4096)
def _fraction(exact: tuple[int, int]) -> str:
    """An exact fraction as text, of which rules have few."""
    return str(Fraction(*exact))


def fill_rule(message: activity_pb2.RuleOutcome, outcome: RuleOutcome) -> None:
    """What a rule did."""
    message.rule = outcome.rule.code
    message.amount = outcome.amount
    message.base_minor = outcome.base_minor
    message.multiplier = outcome.multiplier
    message.verdict = outcome.verdict  # type: ignore[assignment]  # the numbers are those of the contract
    if outcome.factor is not None:
        message.factor = _fraction(outcome.factor)
    if outcome.rule.rounding != _ROUNDING:
        message.rounding = outcome.rule.rounding
    if outcome.rule.base_field != _BASE:
        message.base = outcome.rule.base_field
    if outcome.lines:
        message.lines.extend(outcome.lines)
    if outcome.level:
        message.level = outcome.level
    if outcome.capped:
        message.capped = outcome.capped
    if outcome.cap_key is not None:
        message.cap_period = outcome.cap_key.period_start.isoformat()
    for code, factor, applied_level in outcome.applied:
        message.multipliers.add(code=code, factor=factor, level=applied_level)


@dataclass(frozen=True, slots=True)
class RecordedEffect:
    """What a recorded activity did to one unit."""

    unit: str
    amount: int
    funder: str
    lot_id: UUID | None
    """The lot that it opened; None for a score."""
    rules: tuple[RecordedRule, ...]
    """The rules that gave it."""
    until_completed: bool


def recorded_effects(answer: bytes) -> list[RecordedEffect]:
    """What an activity was recorded to have done, from its first answer."""
    return [
        RecordedEffect(
            earning.unit,
            earning.amount,
            earning.funder,
            ids.decode("lot", earning.lot_id) if earning.lot_id else None,
            tuple(_recorded_rule(rule) for rule in earning.rules if rule.amount),
            earning.until_completed,
        )
        for earning in pb.RecordActivityResponse.FromString(answer).earnings
        if earning.amount
    ]


def _recorded_rule(outcome: activity_pb2.RuleOutcome) -> RecordedRule:
    factor = Fraction(outcome.factor) if outcome.factor else None
    return RecordedRule(
        rule=outcome.rule,
        amount=outcome.amount,
        capped=outcome.capped,
        cap_period=date.fromisoformat(outcome.cap_period) if outcome.cap_period else None,
        factor=(factor.numerator, factor.denominator) if factor is not None else None,
        rounding=outcome.rounding or _ROUNDING,
        base_field=outcome.base or _BASE,
        lines=tuple(outcome.lines),
    )


def lines_of(activity: activity_pb2.Activity) -> list[Line]:
    """The lines of an activity, as far as they can come back."""
    return [Line(line.quantity, line.gross_minor, line.cash_minor, line.points_minor) for line in activity.lines]


class Completed(NamedTuple):
    """What completing an activity released of one unit from one funder; a score has no lot."""

    unit: str
    funder: str
    amount: int
    lot_id: UUID | None
    expires_at: datetime | None
    balance_after: int


def complete_response(
    activity: UUID, completed_at: datetime | None, released: Sequence[Completed], position: position_pb2.Position | None
) -> bytes:
    """What completing an activity did; it is void without `completed_at`, and nothing changed without `position`."""
    response = completion_pb2.CompleteActivityResponse(
        activity_id=activity_id(activity),
        state=completion_pb2.COMPLETION_STATE_VOID,
        position=position,
    )
    if completed_at is not None:
        response.state = completion_pb2.COMPLETION_STATE_COMPLETED
        response.completed_at.CopyFrom(timestamp(completed_at))
    for one in released:
        message = response.released.add(
            unit=one.unit, funder=one.funder, amount=one.amount, balance_after=one.balance_after
        )
        if one.lot_id is not None:
            message.lot_id = lot_id(one.lot_id)
        if one.expires_at is not None:
            message.expires_at.CopyFrom(timestamp(one.expires_at))
    return response.SerializeToString()


def parked_refund_id(value: UUID) -> str:
    """A parked refund's ID on the wire."""
    return ids.encode("parkedrefund", value)


def refund_of(body: bytes) -> refund_pb2.ActivityRefund:
    """A refund as it was asked for."""
    return refund_pb2.ActivityRefund.FromString(body)


def parked_response(parked_id: UUID, position: position_pb2.Position) -> bytes:
    """What refunding an activity did that is not recorded yet."""
    return refund_pb2.RefundActivityResponse(
        parked=True, parked_refund_id=parked_refund_id(parked_id), position=position
    ).SerializeToString()


def resolve_response(state: int, refund: bytes, position: position_pb2.Position) -> bytes:
    """What resolving a parked refund did; `refund` is the answer of the refund if it was applied."""
    response = refund_pb2.ResolveParkedRefundResponse(
        state=refund_pb2.ParkedRefundState.ValueType(state), position=position
    )
    if refund:
        response.refund.MergeFromString(refund)
    return response.SerializeToString()


def returned_of(refund: refund_pb2.ActivityRefund) -> Returned:
    """What is to come back."""
    match refund.WhichOneof("returned"):
        case "lines":
            return [Asked(line.line, line.cash_minor, line.quantity) for line in refund.lines.lines]
        case "amount_minor":
            return refund.amount_minor
        case _:
            return None


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What a refund took back of what an activity had earned of one unit from one funder, and what is `kept` of it."""

    unit: str
    funder: str
    earned: int
    kept: int
    taken: int
    forgiven: int
    deducted: int
    balance_after: int


@dataclass(frozen=True, slots=True)
class RecordedRefund:
    """What came back of an activity at once, and what that took back of each recorded effect, in their order."""

    parts: Sequence[Part]
    taken_back: Sequence[TakenBack]


def recorded_refund(answer: bytes) -> RecordedRefund:
    """What a refund was recorded to have done, from its first answer."""
    response = refund_pb2.RefundActivityResponse.FromString(answer)
    return RecordedRefund(
        [
            Part(line.line, Line(line.quantity, line.gross_minor, line.cash_minor, line.points_minor))
            for line in response.lines
        ],
        [TakenBack(**{name: getattr(clawback, name) for name in _TAKEN_BACK}) for clawback in response.clawbacks],
    )


_TAKEN_BACK = [field.name for field in fields(TakenBack)]


def refund_activity_response(
    activity: UUID, refunded: RecordedRefund, position: position_pb2.Position, *, is_whole: bool
) -> bytes:
    """What refunding an activity did, which is also what is kept of it."""
    response = refund_pb2.RefundActivityResponse(activity_id=activity_id(activity), is_whole=is_whole)
    for number, part in refunded.parts:
        response.lines.add(line=number, **part._asdict())
    for clawback in refunded.taken_back:
        response.clawbacks.add(**asdict(clawback))
    response.position.CopyFrom(position)
    return response.SerializeToString()


def reverse_response(clawbacks: Sequence[TakenBack], position: position_pb2.Position) -> bytes:
    """What reversing did."""
    response = pb.ReverseActivityResponse(position=position)
    for clawback in clawbacks:
        response.clawbacks.add(
            unit=clawback.unit,
            earned=clawback.earned,
            taken=clawback.taken,
            forgiven=clawback.forgiven,
            deducted=clawback.deducted,
            balance_after=clawback.balance_after,
        )
    return response.SerializeToString()


def parts(uses: Sequence[LotUse]) -> list[pb.LotPart]:
    """Parts of lots on the wire."""
    return [pb.LotPart(lot_id=lot_id(use.lot_id), amount=use.amount) for use in uses]


def spend_response(spent: Spend, balance: Balance, position: position_pb2.Position) -> bytes:
    """What spending did."""
    return pb.SpendResponse(
        spend_id=spend_id(spent.spend_id),
        balance_after=balance.balance,
        lots=parts(spent.uses),
        position=position,
        amount=spent.amount,
    ).SerializeToString()


def hold_response(hold: Hold, available_after: int, position: position_pb2.Position) -> bytes:
    """What holding did."""
    return pb.HoldResponse(
        hold_id=hold_id(hold.hold_id), available_after=available_after, position=position, amount=hold.amount
    ).SerializeToString()


def capture_response(captured: Captured, balance: Balance, position: position_pb2.Position) -> bytes:
    """What capturing did."""
    return pb.CaptureHoldResponse(
        spend_id=spend_id(captured.spend.spend_id),
        captured=captured.spend.amount,
        released=captured.released,
        balance_after=balance.balance,
        position=position,
    ).SerializeToString()


def release_response(released: Released, position: position_pb2.Position) -> bytes:
    """What releasing did."""
    return pb.ReleaseHoldResponse(
        released=released.released, expired=released.expired, position=position
    ).SerializeToString()


def extend_response(hold: Hold, position: position_pb2.Position) -> bytes:
    """What extending did."""
    return pb.ExtendHoldResponse(expires_at=timestamp(hold.expires_at), position=position).SerializeToString()


def refund_response(refunded: Refunded, balance: Balance, position: position_pb2.Position) -> bytes:
    """What refunding did."""
    return pb.RefundSpendResponse(
        refunded=refunded.amount,
        expired=refunded.expired,
        balance_after=balance.balance,
        lots=parts(refunded.uses),
        position=position,
    ).SerializeToString()
