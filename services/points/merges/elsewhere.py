"""Whether a command can be decided where it was sent, or concerns other members of its person, or who left it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.chassis.errors import Rejection
from services.chassis.operations import Forwarded, Moment, Wider
from services.points import errors, wire
from services.points.activities.clawbacks import cap_keys_of
from services.points.adjustments.commands import ResolveAdjustment
from services.points.commands import (
    ActivityKey,
    CaptureHold,
    CompleteActivity,
    RecordActivity,
    RefundActivity,
    RefundSpend,
    ReleaseHold,
    ReverseActivity,
)
from services.points.documents import PointsConfig
from services.points.gifts.commands import AcceptGift, CancelGift, Give
from services.points.merges.commands import ByKey, LoadOthers, Sent, by_key_of, meaning
from services.points.merges.counts import moved_key
from services.points.merges.drawing import home_of
from services.points.merges.others import left, natural_keys_of, others_needed, person_loaded, receiver_needed
from services.points.naming import natural_key
from services.points.state_by_partition import StateByPartition
from services.points.values import ActivityRow

Elsewhere = Forwarded | Wider | Rejection


def elsewhere(states: StateByPartition, command: Any, moment: Moment[PointsConfig]) -> Elsewhere | None:
    """What a command needs of the other members of its person before it can be decided; None where there are none."""
    match command:
        case RecordActivity(member_id=member_id):
            if member_id not in states.of_member(member_id).links:
                return None
            return (
                _sent(states, command) or others_needed(states, command, moment) or _recorded_elsewhere(states, command)
            )
        case RefundActivity(activity=ActivityKey()) | CompleteActivity(activity=ActivityKey()):
            return _key_of_another(states, command, moment)
        case (
            ReverseActivity(activity_id=activity_id)
            | RefundActivity(activity=UUID() as activity_id)
            | CompleteActivity(activity=UUID() as activity_id)
        ):
            row = states.of(moment.partition_of(activity_id.int)).activities.get(activity_id)
            return None if row is None else _to_take_back(states, row)
        case CaptureHold(hold_id=used_id) | ReleaseHold(hold_id=used_id) | RefundSpend(spend_id=used_id):
            state = states.of(moment.partition_of(used_id.int))
            used = state.holds.get(used_id) or state.spends.get(used_id)
            return None if used is None else left(states, used.member_id)
        case CancelGift(gift_id=gift_id):
            gift = states.of(moment.partition_of(gift_id.int)).gifts.get(gift_id)
            return None if gift is None else left(states, gift.member_id)
        case AcceptGift(gift_id=gift_id):
            gift = states.of(moment.partition_of(gift_id.int)).gifts.get(gift_id)
            receiving = None if gift is None else receiver_needed(states, command.member_id, gift.unit, moment.config)
            return _sent(states, command) or receiving
        case ResolveAdjustment(adjustment_id=adjustment_id):
            adjustment = states.of(moment.partition_of(adjustment_id.int)).adjustments.get(adjustment_id)
            found = None if adjustment is None else person_loaded(states, adjustment.member_id)
            return found if isinstance(found, Wider) else None
        case Give():
            receiver = states.of_member(command.to_member_id).link(command.to_member_id)
            if receiver.leads_to is not None:
                return Forwarded(replace(command, to_member_id=receiver.leads_to, sent_to=command.owners[0]))
            receiving = receiver_needed(states, command.to_member_id, command.unit, moment.config)
            return _sent(states, command) or others_needed(states, command, moment) or receiving
        case _ if isinstance(command, Sent):
            return _sent(states, command) or others_needed(states, command, moment)
    return None


def _sent(states: StateByPartition, command: Sent) -> Forwarded | None:
    """To whom a command is handed on that was sent to an ID which leads elsewhere."""
    link = states.of_member(command.member_id).link(command.member_id)
    return None if link.leads_to is None else Forwarded(meaning(command, link.leads_to))


def _to_take_back(states: StateByPartition, row: ActivityRow) -> Wider | None:
    """What comes back of an activity is taken back from the person, or from whom its account left with."""
    found = person_loaded(states, row.member_id)
    return found if isinstance(found, Wider) else left(states, row.member_id) or _counted_there(states, row)


def _counted_there(states: StateByPartition, row: ActivityRow) -> Wider | None:
    """What is counted of the activity's caps where its account went."""
    account_id = wire.decode_account(wire.activity_of(row.body).account_id)
    home = home_of(states.of_member(row.member_id), row.member_id, account_id)
    if home is None:
        return None
    keys = [
        counted._replace(member_id=each)
        for each in (row.member_id, home)
        for key in cap_keys_of(row)
        for counted in (key, moved_key(key, account_id))
    ]
    missing = [key for key in keys if key not in states.with_caps]
    return Wider(LoadOthers(caps=tuple(missing))) if missing else None


def _recorded_elsewhere(states: StateByPartition, command: RecordActivity) -> Rejection | None:
    """An order that another member of the person reported counts once."""
    merged = states.of_member(command.member_id).link(command.member_id).merged
    found = _found(states, natural_keys_of(merged, command))
    return None if found is None else errors.activity_already_recorded(wire.activity_id(found.activity_id))


def _found(states: StateByPartition, keys: Iterable[tuple[UUID, UUID]]) -> ActivityRow | None:
    """What one of some members had recorded."""
    for each, key in keys:
        state = states.of_member(each)
        activity_id = state.activity_by_natural_key.get(key)
        if activity_id is not None:
            return state.activities[activity_id]
    return None


def _key_of_another(states: StateByPartition, command: ByKey, moment: Moment[PointsConfig]) -> Elsewhere | None:
    """An activity may have been reported by another member of the person, before or after they were merged."""
    key = command.activity
    assert isinstance(key, ActivityKey)
    state = states.of_member(key.member_id)
    if (activity_id := state.activity_by_natural_key.get(key.natural_key)) is not None:
        return _to_take_back(states, state.activities[activity_id])
    link = state.link(key.member_id)
    if link.leads_to is not None:
        return Forwarded(by_key_of(command, link.leads_to))
    keys = [(each, natural_key(each, key.domain, key.type, key.reference)) for each in link.merged]
    if missing := [pair for pair in keys if pair[1] not in states.looked_up]:
        return Wider(LoadOthers(natural_keys=tuple(missing)))
    row = _found(states, keys)
    return None if row is None else Forwarded(by_key_of(command, row.member_id))
