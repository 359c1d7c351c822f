"""What points can be told to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.chassis.access import Caller
from services.chassis.idempotency import Request
from services.chassis.ids import routing_of
from services.points.activities.returns import Returned


def sent(sent_to: int | None, *owners: int) -> tuple[int, ...]:
    """The owners of a command, where its request is known first."""
    return owners if sent_to is None else (sent_to, *owners)


class RecordActivity(NamedTuple):
    """Record what happened. `activity` and its `lines` are read-only messages of the contract."""

    request: Request
    activity_id: UUID
    natural_key: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    occurred_at: datetime
    received_at: datetime
    currency: str
    cash_minor: int
    activity: Any
    lines: Sequence[Any]
    body: bytes
    validate_only: bool
    owners: tuple[int, ...]
    """The member."""


@dataclass(frozen=True, slots=True)
class ReverseActivity:
    """Reverse an activity as a whole."""

    request: Request
    activity_id: UUID
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The activity's member."""
        return (routing_of(self.activity_id),)


class ActivityKey(NamedTuple):
    """What makes an activity unique for its member."""

    member_id: UUID
    domain: str
    type: str
    reference: str
    natural_key: UUID


@dataclass(frozen=True, slots=True)
class RefundActivity:
    """Refund an activity, named by its ID or by its natural key, in whole or in part.

    `body` is the serialised `tessera.points.v1.ActivityRefund`, its digest the `fingerprint`.
    """

    request: Request
    activity: UUID | ActivityKey
    reference: str
    returned: Returned
    body: bytes
    fingerprint: bytes
    caller: Caller
    validate_only: bool

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The activity's member."""
        named = self.activity.member_id if isinstance(self.activity, ActivityKey) else self.activity
        return sent(self.sent_to, routing_of(named))


@dataclass(frozen=True, slots=True)
class CompleteActivity:
    """Complete an activity, named by its ID or by its natural key."""

    request: Request
    activity: UUID | ActivityKey
    completed_at: datetime
    caller: Caller
    validate_only: bool

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The activity's member."""
        named = self.activity.member_id if isinstance(self.activity, ActivityKey) else self.activity
        return sent(self.sent_to, routing_of(named))


@dataclass(frozen=True, slots=True)
class ResolveParkedRefund:
    """Try a refund again that is parked or dead, or discard it."""

    request: Request
    parked_refund_id: UUID
    discard: bool
    reason: str
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The activity's member."""
        return (routing_of(self.parked_refund_id),)


@dataclass(frozen=True, slots=True)
class BuryParkedRefunds:
    """Book of some parked refunds of one partition that their time is over."""

    partition: int
    parked_refund_ids: Sequence[UUID]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The partition: its number routes to itself."""
        return (self.partition,)


@dataclass(frozen=True, slots=True)
class Spend:
    """Spend points."""

    request: Request
    spend_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    unit: str
    amount: int
    reference: str
    validate_only: bool
    received_at: datetime
    """From which day on its spending may count."""
    merchant: str | None
    """The merchant it is spent at."""
    order_minor: int
    """The money of the order; 0 is none."""
    up_to: bool
    """Take what is allowed and there."""
    group_id: UUID | None = None
    """The group whose members spend together."""

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The member, and the group."""
        own = routing_of(self.member_id)
        return sent(self.sent_to, own) if self.group_id is None else sent(self.sent_to, own, routing_of(self.group_id))


@dataclass(frozen=True, slots=True)
class PlaceHold:
    """Hold points."""

    request: Request
    hold_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    unit: str
    amount: int
    reference: str
    expires_at: datetime
    validate_only: bool
    received_at: datetime
    """From which day on its spending may count."""
    merchant: str | None
    """The merchant they are held for."""
    order_minor: int
    """The money of the order; 0 is none."""
    up_to: bool
    """Take what is allowed and there."""

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return sent(self.sent_to, routing_of(self.member_id))


@dataclass(frozen=True, slots=True)
class CaptureHold:
    """Spend what a hold holds; amount 0 means all of it."""

    request: Request
    hold_id: UUID
    spend_id: UUID
    amount: int
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The hold's member."""
        return (routing_of(self.hold_id),)


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    """Give back what a hold holds."""

    request: Request
    hold_id: UUID
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The hold's member."""
        return (routing_of(self.hold_id),)


@dataclass(frozen=True, slots=True)
class ExtendHold:
    """Let a hold hold longer."""

    request: Request
    hold_id: UUID
    expires_at: datetime
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The hold's member."""
        return (routing_of(self.hold_id),)


@dataclass(frozen=True, slots=True)
class RefundSpend:
    """Give back what was spent; amount 0 means all that is left."""

    request: Request
    spend_id: UUID
    amount: int
    order_returned_minor: int
    """How much of the order is returned, instead of an amount; 0 is none."""
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The spend's member."""
        return (routing_of(self.spend_id),)


@dataclass(frozen=True, slots=True)
class Grant:
    """Give points outside an activity. Without `expires_at` they expire by their unit's policy."""

    request: Request
    grant_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    unit: str
    amount: int
    funder: str
    reference: str
    expires_at: datetime | None
    merchant: str | None
    validate_only: bool

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return sent(self.sent_to, routing_of(self.member_id))


@dataclass(frozen=True, slots=True)
class Forfeit:
    """Take points away for good; amount 0 means all that can be."""

    request: Request
    forfeit_id: UUID
    member_id: UUID
    unit: str
    amount: int
    reason: str
    reference: str
    validate_only: bool

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return sent(self.sent_to, routing_of(self.member_id))


@dataclass(frozen=True, slots=True)
class Convert:
    """Convert points of one unit to another; `received_at` tells the earliest period whose cap may be drawn on."""

    request: Request
    conversion_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    conversion: str
    amount: int
    reference: str
    received_at: datetime
    validate_only: bool

    sent_to: int | None = None
    """The routing bits of the ID that it was sent to, where that leads to the member."""

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return sent(self.sent_to, routing_of(self.member_id))


@dataclass(frozen=True, slots=True)
class SettleWallets:
    """Book what time has done to some wallets of one partition: expired holds and lots."""

    partition: int
    member_ids: Sequence[UUID]
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The partition: its number routes to itself."""
        return (self.partition,)
