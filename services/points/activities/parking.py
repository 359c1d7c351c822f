"""Refunds that arrive before their activity: parked, and applied in the batch that records it. Source: cases.md E12."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from services.chassis import ids
from services.chassis.access import domain_not_allowed
from services.chassis.errors import Rejection
from services.chassis.idempotency import digest_of
from services.chassis.operations import Decided, Decision, Moment, Wider
from services.points import errors, wire
from services.points.activities import wire as activity_wire
from services.points.activities.clawbacks import Refunded, known_refund, take_back
from services.points.commands import ActivityKey, BuryParkedRefunds, RefundActivity, ResolveParkedRefund
from services.points.documents import PointsConfig
from services.points.state import PointsState
from services.points.values import ActivityRow, ParkedRefund, ParkedState, RefundRow

PARK_LIMIT = timedelta(days=7)
"""How long, in domain time, a refund waits for its activity before somebody has to look at it."""
NEVER_RECORDED = "ACTIVITY_UNKNOWN"
"""Why a refund is dead whose activity was not recorded in time."""
_OPEN = (ParkedState.PARKED, ParkedState.DEAD)


@dataclass(frozen=True, slots=True)
class Parked:
    """Parked refunds as they become, and what applying one did."""

    rows: tuple[ParkedRefund, ...]
    refunded: Refunded | None = None

    @property
    def member_id(self) -> UUID:
        """Whose it is, or one of those of a partition whose they are."""
        return self.rows[0].member_id

    def apply(self, state: PointsState, moment: Moment[PointsConfig]) -> None:
        """Fold it in."""
        if self.refunded is not None:
            self.refunded.apply(state, moment)
        for row in self.rows:
            state.put_parked(row)


def park(state: PointsState, command: RefundActivity, key: ActivityKey, moment: Moment[PointsConfig]) -> Decided:
    """Let a refund wait for its activity; a repeated one gets its first answer again."""
    if key.member_id not in state.members:
        return errors.member_unknown(wire.member_id(key.member_id))
    parked = state.parked_of(key.natural_key)
    known = next((row for row in parked if row.reference == command.reference), None)
    if known is not None:
        is_same = known.body == command.body
        return Decision([], lambda: known.answer) if is_same else errors.refund_already_recorded(command.reference)
    row_id = parked_id_of(key, command.reference)
    answer = activity_wire.parked_response(row_id, wire.position_of(moment))
    made = ParkedRefund(
        parked_refund_id=row_id,
        natural_key=key.natural_key,
        ordinal=len(parked),
        member_id=key.member_id,
        domain=key.domain,
        type=key.type,
        activity_reference=key.reference,
        reference=command.reference,
        body=command.body,
        answer=answer,
        state=ParkedState.PARKED,
        reason="",
        parked_at=moment.at,
        closed_at=None,
    )
    return Decision(Parked((made,)), lambda: answer)


def parked_id_of(key: ActivityKey, reference: str) -> UUID:
    """The ID of a refund that waits for an activity: it follows from both their names."""
    name = key.natural_key.bytes + reference.encode()
    return ids.hashed(blake2b(name, digest_size=16).digest(), ids.routing_of(key.member_id))


def apply_waiting(state: PointsState, row: ActivityRow, moment: Moment[PointsConfig]) -> None:
    """Apply what waits for an activity that has just been recorded, in the order in which it came."""
    for parked in state.parked_of(row.natural_key):
        if parked.state != ParkedState.PARKED:
            continue
        if is_over(parked, moment.at):
            state.put_parked(_buried(parked))
            continue
        refunded = _take_back(state, row, parked, moment)
        assert not isinstance(refunded, Wider), "recording saw to it that all of the budgets is there"
        if isinstance(refunded, Rejection):
            dead = _closed(parked, ParkedState.DEAD, refunded.reason, moment.at)
            state.put_parked(dead)
        else:
            applied = _closed(parked, ParkedState.APPLIED, "", moment.at)
            Parked((applied,), refunded).apply(state, moment)


def _take_back(
    state: PointsState, row: ActivityRow, parked: ParkedRefund, moment: Moment[PointsConfig]
) -> Refunded | Rejection | Wider:
    returned = activity_wire.returned_of(activity_wire.refund_of(parked.body))
    return take_back(state, row, returned, parked.reference, digest_of(parked.body), moment)


def is_over(parked: ParkedRefund, now: datetime) -> bool:
    """Whether a refund has waited too long, whether or not a job has booked it."""
    return parked.parked_at + PARK_LIMIT <= now


def _buried(parked: ParkedRefund) -> ParkedRefund:
    return _closed(parked, ParkedState.DEAD, NEVER_RECORDED, parked.parked_at + PARK_LIMIT)


def _closed(parked: ParkedRefund, state: ParkedState, reason: str, at: datetime) -> ParkedRefund:
    return parked._replace(state=state, reason=reason, closed_at=at)


def bury(state: PointsState, command: BuryParkedRefunds, moment: Moment[PointsConfig]) -> Decided:
    """Book that the time of parked refunds is over, where it is."""
    rows = [row for row_id in command.parked_refund_ids if (row := state.parked.get(row_id)) is not None]
    over = [row for row in rows if row.state == ParkedState.PARKED and is_over(row, moment.at)]
    return Decision(Parked(tuple(map(_buried, over))) if over else [], lambda: b"")


def resolve(state: PointsState, command: ResolveParkedRefund, moment: Moment[PointsConfig]) -> Decided:
    """Discard a refund that is parked or dead, or try it again: apply it, or let it wait anew."""
    parked = state.parked.get(command.parked_refund_id)
    if parked is None:
        return errors.parked_refund_unknown(activity_wire.parked_refund_id(command.parked_refund_id))
    if not command.caller.may_act_in(parked.domain):
        return domain_not_allowed(command.caller, parked.domain)
    if parked.state not in _OPEN:
        return errors.parked_refund_closed(ParkedState(parked.state).name.lower())
    if command.discard:
        return _resolved(_closed(parked, ParkedState.DISCARDED, command.reason, moment.at), None, b"", moment)
    activity_id = state.activity_by_natural_key.get(parked.natural_key)
    if activity_id is None:
        again = parked._replace(state=ParkedState.PARKED, reason=command.reason, parked_at=moment.at, closed_at=None)
        return _resolved(again, None, b"", moment)
    row = state.activities[activity_id]
    applied = _closed(parked, ParkedState.APPLIED, command.reason, moment.at)
    known = known_refund(state, row, parked.reference, digest_of(parked.body))
    if isinstance(known, RefundRow):
        return _resolved(applied, None, known.answer, moment)
    refunded = known or _take_back(state, row, parked, moment)
    if isinstance(refunded, Rejection | Wider):
        return refunded
    return _resolved(applied, refunded, refunded.refund.answer, moment)


def _resolved(row: ParkedRefund, refunded: Refunded | None, answer: bytes, moment: Moment[PointsConfig]) -> Decision:
    position = wire.position_of(moment)
    return Decision(Parked((row,), refunded), lambda: activity_wire.resolve_response(row.state, answer, position))
