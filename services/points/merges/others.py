"""What has to be loaded of the other members of a person, or of who left it, before a command can be decided."""

from collections.abc import Iterable
from uuid import UUID

from services.chassis.operations import Moment, Wider
from services.points.activities import operations as activities
from services.points.adjustments.commands import Adjust
from services.points.commands import (
    Convert,
    Forfeit,
    Grant,
    PlaceHold,
    RecordActivity,
    Spend,
)
from services.points.documents import PointsConfig
from services.points.gifts import operations as gifts
from services.points.gifts.commands import Give
from services.points.merges.commands import LoadOthers, Sent
from services.points.movements import operations as movements
from services.points.naming import natural_key
from services.points.partners import operations as partners
from services.points.partners.commands import StartPartnerConversion
from services.points.state_by_partition import StateByPartition
from services.points.values import CapKey
from services.points.wallets import operations as wallets

_DRAWING = (Spend, PlaceHold, Convert, Forfeit, Adjust, StartPartnerConversion, Give)
MAX_LOADED_AHEAD = 1_000
"""Commands for which is loaded along what they need, so that a batch need not be interrupted for each of them."""


def others_needed(states: StateByPartition, command: Sent, moment: Moment[PointsConfig]) -> Wider | None:
    """What has to be loaded of the others of a person; what other commands of the batch need is loaded along."""
    needed = _needed(states, command, moment.config)
    if needed is None:
        return None
    ahead = [
        each
        for other in states.of_persons[:MAX_LOADED_AHEAD]
        if (each := _needed(states, other, moment.config)) is not None
    ]
    return Wider(_together([needed, *ahead]))


def _needed(states: StateByPartition, command: Sent, config: PointsConfig) -> LoadOthers | None:
    """What a command needs of the others of its person and is not loaded; None where that is nothing."""
    merged = states.of_member(command.member_id).link(command.member_id).merged
    if not merged:
        return None
    needed = LoadOthers(
        tuple(each for each in merged if each not in states.with_wallets) if _moves(command, config) else (),
        tuple(pair for pair in natural_keys_of(merged, command) if pair[1] not in states.looked_up),
        tuple(
            key
            for cap in _caps_of(command, config)
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


def natural_keys_of(merged: Iterable[UUID], command: Sent) -> list[tuple[UUID, UUID]]:
    """Under which natural keys others of the person would have recorded the same order."""
    if not isinstance(command, RecordActivity):
        return []
    order = command.activity
    return [(each, natural_key(each, order.domain, order.type, order.reference)) for each in merged]


def _caps_of(command: Sent, config: PointsConfig) -> list[CapKey]:
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


def receiver_needed(states: StateByPartition, member_id: UUID, unit: str, config: PointsConfig) -> Wider | None:
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
