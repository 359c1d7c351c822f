"""What a command needs of the other members of its person, or of who left it, before it can be decided."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.chassis.errors import Rejection
from services.chassis.operations import Forwarded, Moment, Wider
from services.points import errors, wire
from services.points.activities import operations as activities
from services.points.activities.clawbacks import cap_keys_of
from services.points.adjustments.commands import Adjust, ResolveAdjustment
from services.points.commands import (
    ActivityKey,
    CaptureHold,
    CompleteActivity,
    Convert,
    Forfeit,
    Grant,
    PlaceHold,
    RecordActivity,
    RefundActivity,
    RefundSpend,
    ReleaseHold,
    ReverseActivity,
    Spend,
)
from services.points.documents import PointsConfig
from services.points.gifts import operations as gifts
from services.points.gifts.commands import AcceptGift, CancelGift, Give
from services.points.merges.commands import ByKey, LoadOthers, Sent, by_key_of, meaning
from services.points.merges.counts import moved_key
from services.points.merges.drawing import home_of
from services.points.movements import operations as movements
from services.points.naming import natural_key
from services.points.partners import operations as partners
from services.points.partners.commands import StartPartnerConversion
from services.points.state_by_partition import StateByPartition
from services.points.values import ActivityRow, CapKey
from services.points.wallets import operations as wallets

Elsewhere = Forwarded | Wider | Rejection
_DRAWING = (Spend, PlaceHold, Convert, Forfeit, Adjust, StartPartnerConversion, Give)
MAX_LOADED_AHEAD = 1_000
"""Commands for which is loaded along what they need, so that a batch need not be interrupted for each of them."""


def elsewhere(states: StateByPartition, command: Any, moment: Moment[PointsConfig]) -> Elsewhere | None:
    """What a command needs of the other members of its person before it can be decided; None where there are none."""
    match command:
        case RecordActivity(member_id=member_id):
            if member_id not in states.of_member(member_id).links:
                return None
            return _sent(states, command) or _others(states, command, moment) or _recorded_elsewhere(states, command)
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
            receiving = None if gift is None else _receiving(states, command.member_id, gift.unit, moment.config)
            return _sent(states, command) or receiving
        case ResolveAdjustment(adjustment_id=adjustment_id):
            adjustment = states.of(moment.partition_of(adjustment_id.int)).adjustments.get(adjustment_id)
            found = None if adjustment is None else person_loaded(states, adjustment.member_id)
            return found if isinstance(found, Wider) else None
        case Give():
            receiver = states.of_member(command.to_member_id).link(command.to_member_id)
            if receiver.leads_to is not None:
                return Forwarded(replace(command, to_member_id=receiver.leads_to, sent_to=command.owners[0]))
            receiving = _receiving(states, command.to_member_id, command.unit, moment.config)
            return _sent(states, command) or _others(states, command, moment) or receiving
        case _ if isinstance(command, Sent):
            return _sent(states, command) or _others(states, command, moment)
    return None


def _sent(states: StateByPartition, command: Sent) -> Forwarded | None:
    """To whom a command is handed on that was sent to an ID which leads elsewhere."""
    link = states.of_member(command.member_id).link(command.member_id)
    return None if link.leads_to is None else Forwarded(meaning(command, link.leads_to))


def _others(states: StateByPartition, command: Sent, moment: Moment[PointsConfig]) -> Wider | None:
    """What has to be loaded of the others of a person; what other commands of the batch need is loaded along."""
    needed = needed_of_others(states, command, moment.config)
    if needed is None:
        return None
    ahead = [
        each
        for other in states.of_persons[:MAX_LOADED_AHEAD]
        if (each := needed_of_others(states, other, moment.config)) is not None
    ]
    return Wider(_together([needed, *ahead]))


def needed_of_others(states: StateByPartition, command: Sent, config: PointsConfig) -> LoadOthers | None:
    """What a command needs of the others of its person and is not loaded; None where that is nothing."""
    merged = states.of_member(command.member_id).link(command.member_id).merged
    if not merged:
        return None
    needed = LoadOthers(
        tuple(each for each in merged if each not in states.with_wallets) if _moves(command, config) else (),
        tuple(pair for pair in _keys(merged, command) if pair[1] not in states.looked_up),
        tuple(
            key
            for cap in caps_of(command, config)
            for each in merged
            if (key := cap._replace(member_id=each)) not in states.with_caps
        ),
    )
    return needed if needed != LoadOthers() else None


def _together(needs: Iterable[LoadOthers]) -> LoadOthers:
    return LoadOthers(
        tuple(dict.fromkeys(each for one in needs for each in one.wallets)),
        tuple(dict.fromkeys(each for one in needs for each in one.natural_keys)),
        tuple(dict.fromkeys(each for one in needs for each in one.caps)),
    )


def _moves(command: Sent, config: PointsConfig) -> bool:
    """Whether all wallets of a person matter: they are drawn on, or it matters what all come to."""
    if isinstance(command, RecordActivity):
        return bool(config.cutting_units)
    return isinstance(command, _DRAWING) or (isinstance(command, Grant) and _has_maximum(command.unit, config))


def _has_maximum(unit_code: str, config: PointsConfig) -> bool:
    unit = config.units.get(unit_code)
    return unit is not None and unit.spec.max_balance is not None


def _keys(merged: Iterable[UUID], command: Sent) -> list[tuple[UUID, UUID]]:
    """Under which natural keys others of the person would have recorded the same order."""
    if not isinstance(command, RecordActivity):
        return []
    order = command.activity
    return [(each, natural_key(each, order.domain, order.type, order.reference)) for each in merged]


def caps_of(command: Sent, config: PointsConfig) -> list[CapKey]:
    """The caps that a command may draw on, from their earliest periods on."""
    match command:
        case RecordActivity():
            return activities.cap_keys(command, config)
        case Spend() | PlaceHold():
            return wallets.counting_keys(command, config)
        case Convert():
            return movements.cap_keys(command, config)
        case StartPartnerConversion():
            return partners.cap_keys(command, config)
        case Give():
            return gifts.daily_uses(command, config)
        case _:
            return []


def _receiving(states: StateByPartition, member_id: UUID, unit: str, config: PointsConfig) -> Wider | None:
    """What a person may receive depends on what all its wallets come to."""
    return not_loaded(states, member_id) if _has_maximum(unit, config) else None


def not_loaded(states: StateByPartition, *member_ids: UUID) -> Wider | None:
    """What has to be loaded to look at all wallets of persons."""
    merged = (each for member_id in member_ids for each in states.of_member(member_id).link(member_id).merged)
    missing = [each for each in merged if each not in states.with_wallets]
    return Wider(LoadOthers(tuple(missing))) if missing else None


def person_loaded(states: StateByPartition, member_id: UUID) -> Wider | list[UUID]:
    """Everybody who is the same person as a member, that one first; their wallets are loaded."""
    leads_to = states.of_member(member_id).link(member_id).leads_to
    survivor = leads_to or member_id
    if leads_to is not None and leads_to not in states.with_wallets:
        return Wider(LoadOthers((leads_to,)))
    wider = not_loaded(states, survivor)
    if wider is not None:
        return wider
    merged = states.of_member(survivor).link(survivor).merged
    return [member_id, *(each for each in (survivor, *merged) if each != member_id)]


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


def left(states: StateByPartition, member_id: UUID) -> Wider | None:
    """What has to be loaded so that what comes back can go after accounts that left."""
    seen, known = {member_id}, [member_id]
    while known:
        links = [states.of_member(each).link(each) for each in known]
        homes = {home for link in links for _, home in link.gone}
        homes |= {link.leads_to for link in links if link.leads_to is not None}
        homes -= seen
        missing = sorted(home for home in homes if home not in states.with_wallets)
        if missing:
            return Wider(LoadOthers(tuple(missing)))
        known = sorted(homes)
        seen |= homes
    return None


def _recorded_elsewhere(states: StateByPartition, command: RecordActivity) -> Rejection | None:
    """An order that another member of the person reported counts once."""
    merged = states.of_member(command.member_id).link(command.member_id).merged
    found = _found(states, _keys(merged, command))
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
