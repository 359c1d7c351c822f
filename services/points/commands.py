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

    @property
    def owners(self) -> tuple[int, ...]:
        """The activity's member."""
        return (routing_of(self.activity.member_id if isinstance(self.activity, ActivityKey) else self.activity),)


@dataclass(frozen=True, slots=True)
class CompleteActivity:
    """Complete an activity, named by its ID or by its natural key."""

    request: Request
    activity: UUID | ActivityKey
    completed_at: datetime
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The activity's member."""
        return (routing_of(self.activity.member_id if isinstance(self.activity, ActivityKey) else self.activity),)


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

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return (routing_of(self.member_id),)


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

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return (routing_of(self.member_id),)


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
class RefundSpend:
    """Give back what was spent; amount 0 means all that is left."""

    request: Request
    spend_id: UUID
    amount: int
    caller: Caller
    validate_only: bool

    @property
    def owners(self) -> tuple[int, ...]:
        """The spend's member."""
        return (routing_of(self.spend_id),)


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
