"""The plain values that conversions with partners are reckoned with."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from services.points.values import LotUse

PARTNER_HOLDS = "partner "
"""What the domain of a hold begins with that waits for a partner: no domain has a space in its code."""
UNTIL_ANSWERED = datetime(9999, 1, 1, tzinfo=UTC)
"""When a hold releases itself that waits for a partner: after anything that can be asked for."""


class State(IntEnum):
    """How far a conversion with a partner is; the numbers of `tessera.points.v1.PartnerConversionState`."""

    STARTED = 1
    UNKNOWN = 2
    DONE = 3
    REFUSED = 4


OPEN = (State.STARTED, State.UNKNOWN)
"""While the partner's answer is not known."""


class Answer(NamedTuple):
    """What became of it at the partner: `state` is UNKNOWN, DONE or REFUSED."""

    state: State
    booking: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PartnerConversion:
    """Points converted to or from a unit of a partner: a row of its table, in the table's order, and its lots.

    `amount` of our `unit` goes out, or comes in (`incoming`), for `partner_amount` of the partner's. `uses` are the
    lots that it took from, in the order in which they burnt: none until it is done.
    """

    partner_conversion_id: UUID
    member_id: UUID
    account_id: UUID
    domain: str
    conversion: str
    partner: str
    partner_account_id: UUID
    incoming: bool
    unit: str
    amount: int
    partner_unit: str
    partner_amount: int
    state: State
    funder: str
    started_at: datetime
    closed_at: datetime | None
    settled_by: str
    reference: str
    booking: str
    reason: str
    uses: tuple[LotUse, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether the partner's answer is not known."""
        return self.state in OPEN
