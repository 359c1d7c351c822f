"""Messages of the contract to values, and values to messages."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.chassis import ids
from services.chassis.instants import timestamp
from services.chassis.operations import Moment
from services.points.activities.outcomes import RuleOutcome
from services.points.activities.rules import Earned
from services.points.commands import RecordActivity
from services.points.documents import EarnRule
from services.points.groups.values import GROUP
from services.points.piles import NEVER, expiry_of
from services.points.values import UNTIL_COMPLETED, Balance, Booked, Hold, LotUse, Spend
from services.points.wallets.rules import Captured, Refunded, Released
from tessera.points.v1 import activity_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2

SERVICE = "points"
ROUNDING, BASE = "floor", "cash_minor"
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
    """What an activity earns. What was booked are the earnings that are neither zero nor booked later, in order."""
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
    expires_at = expiry_of(lot, balance)
    if expires_at != NEVER:
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
        _fill_giving(message, outcome.rule)
    if outcome.rule.rounding != ROUNDING:
        message.rounding = outcome.rule.rounding
    if outcome.rule.base_field != BASE:
        message.base = outcome.rule.base_field
    if outcome.lines:
        message.lines.extend(outcome.lines)
    if outcome.level:
        message.level = outcome.level
    if outcome.capped:
        message.capped = outcome.capped
    if outcome.cap_key is not None:
        message.cap_period = outcome.cap_key.period_start.isoformat()
    if outcome.cap_group is not None:
        message.cap_group_id = ids.encode(GROUP, outcome.cap_group)
    if outcome.budget_key is not None:
        message.budget = outcome.budget_key.budget
        message.budget_period = outcome.budget_key.period_start.isoformat()
        message.cut_by_budget = outcome.cut_by_budget
    if outcome.cut_by_max_balance:
        message.cut_by_max_balance = outcome.cut_by_max_balance
    for code, factor, applied_level in outcome.applied:
        message.multipliers.add(code=code, factor=factor, level=applied_level)


def _fill_giving(message: activity_pb2.RuleOutcome, rule: EarnRule) -> None:
    """How a rule gave, as far as its factor does not tell."""
    if rule.is_per_line:
        message.rounded_per_line = True
    if rule.giving.per:
        message.per_minor = rule.giving.per
    for start, rate in rule.giving.steps:
        message.steps.add(from_minor=start, rate=str(rate))
    if rule.giving.is_marginal:
        message.marginal = True


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
