"""What is kept of activities and read back, and what refunds and completions of them answer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.chassis import ids
from services.chassis.instants import checked_instant, timestamp
from services.points.activities.returns import Asked, Line, Part, RecordedRule, Returned
from services.points.budgets.definitions import BudgetKey
from services.points.giving import EveryFull, Giving, Proportional, Table
from services.points.groups.values import GROUP
from services.points.wire import BASE, ROUNDING, activity_id, lot_id
from tessera.points.v1 import activity_pb2, completion_pb2, refund_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2


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
    return RecordedRule(
        rule=outcome.rule,
        amount=outcome.amount,
        capped=outcome.capped + outcome.cut_by_budget + outcome.cut_by_max_balance,
        cap_period=date.fromisoformat(outcome.cap_period) if outcome.cap_period else None,
        cap_group=ids.decode(GROUP, outcome.cap_group_id) if outcome.cap_group_id else None,
        giving=_recorded_giving(outcome),
        rounding=outcome.rounding or ROUNDING,
        base_field=outcome.base or BASE,
        lines=tuple(outcome.lines),
        budget_key=BudgetKey(outcome.budget, date.fromisoformat(outcome.budget_period)) if outcome.budget else None,
        is_per_line=outcome.rounded_per_line,
    )


def _recorded_giving(outcome: activity_pb2.RuleOutcome) -> Giving | None:
    """How a rule gave, multipliers included; None where that was not recorded."""
    if not outcome.factor:
        return None
    factor = Fraction(outcome.factor)
    if outcome.steps:
        steps = [(step.from_minor, Fraction(step.rate) * factor) for step in outcome.steps]
        return Table(steps, is_marginal=outcome.marginal)
    return EveryFull(factor, outcome.per_minor) if outcome.per_minor else Proportional(factor)


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


def parked_completion_response(parked_id: UUID, position: position_pb2.Position) -> bytes:
    """What completing an activity did that is not recorded yet."""
    return completion_pb2.CompleteActivityResponse(
        state=completion_pb2.COMPLETION_STATE_PARKED, parked_id=parked_refund_id(parked_id), position=position
    ).SerializeToString()


def completed_at_of(body: bytes) -> datetime:
    """When an activity was completed, as it was asked for: the body of a parked completion."""
    return checked_instant(Timestamp.FromString(body), "completed_at")


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
