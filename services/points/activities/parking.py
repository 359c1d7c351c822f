"""Refunds and completions that arrive before their activity: parked, and applied in the batch that records it.

Source: cases.md E12.
"""

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
from services.points.activities.releasing import Completing, release
from services.points.commands import ActivityKey, BuryParkedRefunds, ResolveParkedRefund
from services.points.documents import PointsConfig
from services.points.state import PointsState
from services.points.values import ActivityRow, ParkedRefund, ParkedState, RefundRow

PARK_LIMIT = timedelta(days=7)
"""How long, in domain time, a refund waits for its activity before somebody has to look at it."""
NEVER_RECORDED = "ACTIVITY_UNKNOWN"
"""Why a refund is dead whose activity was not recorded in time."""
COMPLETION = ""
"""The reference of a completion: every refund has one, and an activity is completed once."""
_OPEN = (ParkedState.PARKED, ParkedState.DEAD)


@dataclass(frozen=True, slots=True)
class Parked:
    """What was parked as it becomes, and what applying it did."""

    rows: tuple[ParkedRefund, ...]
    done: Refunded | Completing | None = None

    @property
    def member_id(self) -> UUID:
        """Whose it is, or one of those of a partition whose they are."""
        return self.rows[0].member_id

    def apply(self, state: PointsState, moment: Moment[PointsConfig]) -> None:
        """Fold it in."""
        if self.done is not None:
            self.done.apply(state, moment)
        for row in self.rows:
            state.put_parked(row)


def known(state: PointsState, key: ActivityKey, reference: str) -> ParkedRefund | None:
    """What waits, or waited, for an activity by a reference."""
    return next((row for row in state.parked_of(key.natural_key) if row.reference == reference), None)


def park(
    state: PointsState, key: ActivityKey, reference: str, body: bytes, answer: bytes, moment: Moment[PointsConfig]
) -> Decided:
    """Let a refund or a completion, which is not known, wait for its activity."""
    if key.member_id not in state.members:
        return errors.member_unknown(wire.member_id(key.member_id))
    made = ParkedRefund(
        parked_refund_id=parked_id_of(key, reference),
        natural_key=key.natural_key,
        ordinal=len(state.parked_of(key.natural_key)),
        member_id=key.member_id,
        domain=key.domain,
        type=key.type,
        activity_reference=key.reference,
        reference=reference,
        body=body,
        answer=answer,
        state=ParkedState.PARKED,
        reason="",
        parked_at=moment.at,
        closed_at=None,
    )
    return Decision(Parked((made,)), lambda: answer)


def parked_id_of(key: ActivityKey, reference: str) -> UUID:
    """The ID of what waits for an activity: it follows from both their names."""
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
        done = _apply(state, row.activity_id, parked, moment)
        assert not isinstance(done, Wider), "recording saw to it that all of the budgets is there"
        if isinstance(done, Rejection):
            state.put_parked(_closed(parked, ParkedState.DEAD, done.reason, moment.at))
        else:
            applied = _closed(parked, ParkedState.APPLIED, "", moment.at)
            Parked((applied,), done).apply(state, moment)


def _apply(
    state: PointsState, activity_id: UUID, parked: ParkedRefund, moment: Moment[PointsConfig]
) -> Refunded | Completing | Rejection | Wider | None:
    """What applying a refund or a completion to its recorded activity does; None where a completion changes nothing."""
    row = state.activities[activity_id]
    if parked.reference != COMPLETION:
        returned = activity_wire.returned_of(activity_wire.refund_of(parked.body))
        return take_back(state, row, returned, parked.reference, digest_of(parked.body), moment)
    if row.reversed_at is not None or activity_id in state.completions:
        return None
    return release(state, row, activity_wire.completed_at_of(parked.body), moment)


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
    applied = _closed(parked, ParkedState.APPLIED, command.reason, moment.at)
    if parked.reference != COMPLETION:
        recorded = known_refund(state, state.activities[activity_id], parked.reference, digest_of(parked.body))
        if isinstance(recorded, RefundRow):
            return _resolved(applied, None, recorded.answer, moment)
        if recorded is not None:
            return recorded
    done = _apply(state, activity_id, parked, moment)
    if isinstance(done, Rejection | Wider):
        return done
    return _resolved(applied, done, done.refund.answer if isinstance(done, Refunded) else b"", moment)


def _resolved(
    row: ParkedRefund, done: Refunded | Completing | None, answer: bytes, moment: Moment[PointsConfig]
) -> Decision:
    position = wire.position_of(moment)
    return Decision(Parked((row,), done), lambda: activity_wire.resolve_response(row.state, answer, position))
