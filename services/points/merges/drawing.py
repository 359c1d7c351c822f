"""Drawing on all wallets of a person: what has to be loaded for it, and the wallet that is drawn on."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.chassis.operations import Forwarded, Moment, Wider
from services.points import errors, wire
from services.points.adjustments.commands import Adjust, ResolveAdjustment
from services.points.commands import (
    ActivityKey,
    CaptureHold,
    CompleteActivity,
    Convert,
    Forfeit,
    PlaceHold,
    RecordActivity,
    RefundActivity,
    RefundSpend,
    ReleaseHold,
    ReverseActivity,
    Spend,
)
from services.points.documents import PointsConfig
from services.points.gifts.commands import CancelGift, Give
from services.points.groups.commands import LoadWallets
from services.points.merges import rules
from services.points.merges.commands import ByKey, LoadNaturalKeys, Sent, by_key_of, meaning
from services.points.naming import natural_key
from services.points.partners.commands import StartPartnerConversion
from services.points.state import PointsState
from services.points.state_by_partition import StateByPartition
from services.points.values import ActivityRow
from services.points.wallet import Wallet

Elsewhere = Forwarded | Wider | Rejection
_DRAWING = (Spend, PlaceHold, Convert, Forfeit, Adjust, StartPartnerConversion, Give)


def elsewhere(states: StateByPartition, command: Any, moment: Moment[PointsConfig]) -> Elsewhere | None:
    """What a command needs of the other members of its person before it can be decided; None where there are none."""
    match command:
        case RecordActivity():
            return _sent(states, command) or _recorded_elsewhere(states, command)
        case RefundActivity(activity=ActivityKey()) | CompleteActivity(activity=ActivityKey()):
            return _key_of_another(states, command)
        case (
            ReverseActivity(activity_id=activity_id)
            | RefundActivity(activity=UUID() as activity_id)
            | CompleteActivity(activity=UUID() as activity_id)
        ):
            return _reversing(states, activity_id, moment)
        case CaptureHold(hold_id=used_id) | ReleaseHold(hold_id=used_id) | RefundSpend(spend_id=used_id):
            state = states.of(moment.partition_of(used_id.int))
            used = state.holds.get(used_id) or state.spends.get(used_id)
            return None if used is None else _left(states, used.member_id)
        case CancelGift(gift_id=gift_id):
            gift = states.of(moment.partition_of(gift_id.int)).gifts.get(gift_id)
            return None if gift is None else _left(states, gift.member_id)
        case ResolveAdjustment(adjustment_id=adjustment_id):
            adjustment = states.of(moment.partition_of(adjustment_id.int)).adjustments.get(adjustment_id)
            found = None if adjustment is None else person_loaded(states, adjustment.member_id)
            return found if isinstance(found, Wider) else None
        case Give():
            receiver = states.of_member(command.to_member_id).link(command.to_member_id)
            if receiver.leads_to is not None:
                return Forwarded(replace(command, to_member_id=receiver.leads_to, sent_to=command.owners[0]))
            return _sent(states, command) or _not_loaded(states, command.member_id)
        case _ if isinstance(command, _DRAWING):
            return _sent(states, command) or _not_loaded(states, command.member_id)
        case _ if isinstance(command, Sent):
            return _sent(states, command)
    return None


def _sent(states: StateByPartition, command: Sent) -> Forwarded | None:
    """To whom a command is handed on that was sent to an ID which leads elsewhere."""
    link = states.of_member(command.member_id).link(command.member_id)
    return None if link.leads_to is None else Forwarded(meaning(command, link.leads_to))


def _not_loaded(states: StateByPartition, member_id: UUID) -> Wider | None:
    """What has to be loaded to draw on the wallets of a person."""
    merged = states.of_member(member_id).link(member_id).merged
    missing = [each for each in merged if each not in states.with_wallets]
    return Wider(LoadWallets(tuple(missing))) if missing else None


def person_loaded(states: StateByPartition, member_id: UUID) -> Wider | list[UUID]:
    """Everybody who is the same person as a member, that one first; their wallets are loaded."""
    leads_to = states.of_member(member_id).link(member_id).leads_to
    survivor = leads_to or member_id
    if leads_to is not None and leads_to not in states.with_wallets:
        return Wider(LoadWallets((leads_to,)))
    wider = _not_loaded(states, survivor)
    if wider is not None:
        return wider
    merged = states.of_member(survivor).link(survivor).merged
    return [member_id, *(each for each in (survivor, *merged) if each != member_id)]


def _reversing(states: StateByPartition, activity_id: UUID, moment: Moment[PointsConfig]) -> Wider | None:
    """What comes back of an activity is taken back from the person, or from whom its account left with."""
    row = states.of(moment.partition_of(activity_id.int)).activities.get(activity_id)
    return None if row is None else _to_take_back(states, row.member_id)


def _to_take_back(states: StateByPartition, member_id: UUID) -> Wider | None:
    found = person_loaded(states, member_id)
    return found if isinstance(found, Wider) else _left(states, member_id)


def _left(states: StateByPartition, member_id: UUID) -> Wider | None:
    """What has to be loaded so that what comes back can go after accounts that left."""
    seen, known = {member_id}, [member_id]
    while known:
        homes = {home for each in known for _, home in states.of_member(each).link(each).gone} - seen
        missing = sorted(home for home in homes if home not in states.with_wallets)
        if missing:
            return Wider(LoadWallets(tuple(missing)))
        known = sorted(homes)
        seen |= homes
    return None


def _recorded_elsewhere(states: StateByPartition, command: RecordActivity) -> Wider | Rejection | None:
    """An order that another member of the person reported counts once."""
    activity = command.activity
    found = _look_up(states, command.member_id, activity.domain, activity.type, activity.reference)
    if isinstance(found, ActivityRow):
        return errors.activity_already_recorded(wire.activity_id(found.activity_id))
    return found


def _look_up(
    states: StateByPartition, member_id: UUID, domain: str, type_: str, reference: str
) -> ActivityRow | Wider | None:
    """What a member that was merged into another one had recorded by a reference."""
    merged = states.of_member(member_id).link(member_id).merged
    keys = [(each, natural_key(each, domain, type_, reference)) for each in merged]
    missing = [pair for pair in keys if pair[1] not in states.looked_up]
    if missing:
        return Wider(LoadNaturalKeys(tuple(missing)))
    for each, key in keys:
        state = states.of_member(each)
        activity_id = state.activity_by_natural_key.get(key)
        if activity_id is not None:
            return state.activities[activity_id]
    return None


def _key_of_another(states: StateByPartition, command: ByKey) -> Elsewhere | None:
    """An activity may have been reported by another member of the person, before or after they were merged."""
    key = command.activity
    assert isinstance(key, ActivityKey)
    state = states.of_member(key.member_id)
    if key.natural_key in state.activity_by_natural_key:
        return _to_take_back(states, key.member_id)
    link = state.link(key.member_id)
    if link.leads_to is not None:
        return Forwarded(by_key_of(command, link.leads_to))
    row = _look_up(states, key.member_id, key.domain, key.type, key.reference)
    return Forwarded(by_key_of(command, row.member_id)) if isinstance(row, ActivityRow) else row


def wallet_to_draw_on(
    state: PointsState,
    member_id: UUID,
    unit: str,
    amount: int | None,
    by: UUID,
    at: datetime,
    merchant: str | None = None,
) -> Wallet:
    """A copy of a wallet, for rules to change, with what the person's other wallets are to contribute to an amount."""
    wallet = state.wallet(member_id, unit)
    link = state.link(member_id)
    others = [each for each in (link.leads_to, *link.merged) if each is not None]
    if link.leads_to is not None:
        survivor = state.elsewhere(link.leads_to).link(link.leads_to)
        others += [each for each in survivor.merged if each != member_id]
    if others:
        wallets = [state.elsewhere(each).wallet(each, unit) for each in others]
        rules.bring_over(wallet, wallets, amount, merchant, by, at)
    return wallet


def wallet_to_take_from(
    state: PointsState, member_id: UUID, account_id: UUID, unit: str, amount: int, by: UUID, at: datetime
) -> Wallet:
    """A copy of a wallet from which an amount is taken back, with what others of the person have of what it lacks.

    Where the account left, with what whoever it left with has.
    """
    wallet = state.wallet(member_id, unit)
    home = _homes(state, member_id).get(account_id)
    if home is not None:
        rules.lend(wallet, state.elsewhere(home).wallet(home, unit), amount, by, at)
        return wallet
    if sum(lot.remaining for lot in wallet.lots.values()) >= amount:
        return wallet
    return wallet_to_draw_on(state, member_id, unit, amount, by, at)


def send_home(state: PointsState, wallet: Wallet, by: UUID, at: datetime) -> None:
    """Let what came back to a wallet through accounts that left go after them, and what is owed because of them."""
    gone = _homes(state, wallet.member_id)
    for home in sorted(set(gone.values())):
        lent = next((other for other in wallet.others if other.member_id == home), None)
        target = lent or state.elsewhere(home).wallet(home, wallet.unit)
        uses = rules.take(wallet, lambda lot, home=home: gone.get(lot.account_id) == home)  # type: ignore[misc]  # bound now
        if uses:
            rules.move(wallet, target, uses, ids.derived(by, _HOMEWARD), at)
        rules.move_debts(wallet, target, lambda account, home=home: gone.get(account) == home, by, at)  # type: ignore[misc]  # as above
        if lent is None and (target.entries or target.changed_lots):
            wallet.others += (target,)


def _homes(state: PointsState, member_id: UUID) -> dict[UUID, UUID]:
    """Accounts that left a member, each with who has it now: it may have gone on from there."""
    homes = {}
    for account_id, home in state.link(member_id).gone:
        seen = {member_id}
        while home not in seen:
            seen.add(home)
            home = dict(state.elsewhere(home).link(home).gone).get(account_id, home)
        if home != member_id:
            homes[account_id] = home
    return homes


_HOMEWARD = 1
"""What distinguishes the way back from the way here, where both are for the same request."""
