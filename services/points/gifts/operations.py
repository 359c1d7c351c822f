"""Commands on gifts: who may, what is decided, how it is answered. A gift concerns two members, each in a partition."""

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis.access import domain_not_allowed
from services.chassis.civil import civil_day
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.points.documents import PointsConfig
from services.points.gifts import errors, rules, wire
from services.points.gifts.commands import AcceptGift, CancelGift, Give
from services.points.members import member_rejection, status_rejection
from services.points.merges.drawing import send_home, wallet_to_draw_on, wallet_to_give_to
from services.points.state import PointsState
from services.points.state_by_partition import StateByPartition
from services.points.units import Unit
from services.points.values import CapKey, Gift
from services.points.wallet import Wallet
from services.points.wallets.operations import spendable_unit

GiftCommand = Give | AcceptGift | CancelGift


class Changed(NamedTuple):
    """A gift as it becomes, the wallets that it changes, and how much its giver has given that day."""

    gift: Gift
    wallets: tuple[Wallet, ...]
    given: tuple[CapKey, int] | None = None

    def apply(self, states: StateByPartition, moment: Moment[PointsConfig]) -> None:
        """Fold it in: the gift is its giver's, each wallet its member's."""
        for wallet in self.wallets:
            _state_of(states, wallet.member_id, moment).put_wallet(wallet)
        giver = _state_of(states, self.gift.member_id, moment)
        giver.put_gift(self.gift)
        if self.given is not None:
            giver.put_cap_use(*self.given)


def daily_uses(command: Give, config: PointsConfig) -> list[CapKey]:
    """What the giver has given since the day on which the gift was received here, where a limit needs it."""
    return _daily_uses(command.member_id, command.unit, command.received_at, config)


def daily_uses_of(gift: Gift, config: PointsConfig) -> list[CapKey]:
    """What the giver has given on the day of a gift, where a limit needs it."""
    return _daily_uses(gift.member_id, gift.unit, gift.given_at, config)


def _daily_uses(member_id: UUID, unit_code: str, at: datetime, config: PointsConfig) -> list[CapKey]:
    unit = config.units.get(unit_code)
    if unit is None or unit.spec.gift is None or unit.spec.gift.max_per_day is None:
        return []
    return [daily_use(member_id, unit, at)]


def daily_use(member_id: UUID, unit: Unit, at: datetime) -> CapKey:
    """What a member gives of a unit on a civil day, counted as the use of a cap is; no rule has a space in its code."""
    return CapKey(member_id, f"gift {unit.code}", civil_day(at, unit.zone))


def decide(states: StateByPartition, command: GiftCommand, moment: Moment[PointsConfig]) -> Decided:
    """Decide one command on gifts."""
    match command:
        case Give():
            return _give(states, command, moment)
        case AcceptGift():
            return _accept(states, command, moment)
        case CancelGift():
            return _cancel(states, command, moment)


def _give(states: StateByPartition, command: Give, moment: Moment[PointsConfig]) -> Decided:
    giver_state = _state_of(states, command.member_id, moment)
    receiver_state = _state_of(states, command.to_member_id, moment)
    unit = _may_give(giver_state, receiver_state, command, moment.config)
    if isinstance(unit, Rejection):
        return unit
    spec, key = unit.spec.gift, daily_use(command.member_id, unit, moment.at)
    assert spec is not None, "checked by _may_give"
    rejection = rules.limit_rejection(spec, command.amount, giver_state.used(key))
    if rejection is not None:
        return rejection
    giver = wallet_to_draw_on(
        giver_state, command.member_id, command.unit, command.amount, command.request.key, moment.at
    )
    receiver = wallet_to_give_to(receiver_state, command.to_member_id, command.unit, moment.at)
    wanted = _gift(command, receiver_state.accounts[command.to_account_id].domain, moment.at)
    if spec.acceptance == "required":
        gift = rules.offer(giver, unit, spec.acceptance_days, wanted)
    else:
        gift = rules.give(giver, receiver, unit, wanted)
    if isinstance(gift, Rejection):
        return gift
    given = (key, giver_state.cap_uses.get(key, 0) + gift.amount) if spec.max_per_day is not None else None
    wallets = (giver,) if gift.state == "offered" else (giver, receiver)
    return Decision(Changed(gift, wallets, given), lambda: wire.gift_response(gift, giver, moment))


def _may_give(giver: PointsState, receiver: PointsState, command: Give, config: PointsConfig) -> Unit | Rejection:
    """The unit, if the one member may give it and the other may receive it."""
    if command.member_id == command.to_member_id:
        return errors.GIFT_TO_ONESELF
    rejection = member_rejection(giver, command.member_id, command.account_id, command.domain)
    rejection = rejection or member_rejection(receiver, command.to_member_id, command.to_account_id)
    if rejection is not None:
        return rejection
    unit = spendable_unit(command.unit, config)
    if isinstance(unit, Unit) and unit.spec.gift is None:
        return errors.unit_not_transferable(command.unit)
    return unit


def _gift(command: Give, to_domain: str, at: datetime) -> Gift:
    return Gift(
        gift_id=command.gift_id,
        member_id=command.member_id,
        account_id=command.account_id,
        domain=command.domain,
        to_member_id=command.to_member_id,
        to_account_id=command.to_account_id,
        to_domain=to_domain,
        unit=command.unit,
        amount=command.amount,
        state="",
        reference=command.reference,
        given_at=at,
        expires_at=None,
        closed_at=None,
        uses=(),
    )


def _accept(states: StateByPartition, command: AcceptGift, moment: Moment[PointsConfig]) -> Decided:
    gift = _known(states, command, moment)
    if isinstance(gift, Rejection):
        return gift
    receiver_state = _state_of(states, command.member_id, moment)
    if gift.to_member_id != command.member_id:
        if gift.to_member_id not in receiver_state.link(command.member_id).merged:
            return errors.gift_unknown(wire.gift_id(command.gift_id))
        gift = replace(gift, to_member_id=command.member_id)
    if not command.caller.may_act_in(gift.to_domain):
        return domain_not_allowed(command.caller, gift.to_domain)
    rejection = status_rejection(receiver_state, gift.to_member_id)
    if rejection is not None:
        return rejection
    giver = _state_of(states, gift.member_id, moment).wallet(gift.member_id, gift.unit)
    receiver = wallet_to_give_to(receiver_state, gift.to_member_id, gift.unit, moment.at)
    unit = moment.config.units.get(gift.unit)
    accepted = rules.accept(giver, receiver, unit, gift, moment.at)
    if isinstance(accepted, Rejection):
        return accepted
    return Decision(Changed(accepted, (giver, receiver)), lambda: wire.accept_response(accepted, receiver, moment))


def _cancel(states: StateByPartition, command: CancelGift, moment: Moment[PointsConfig]) -> Decided:
    gift = _known(states, command, moment)
    if isinstance(gift, Rejection):
        return gift
    domain, state = (gift.to_domain, "declined") if command.by_receiver else (gift.domain, "cancelled")
    if not command.caller.may_act_in(domain):
        return domain_not_allowed(command.caller, domain)
    giver_state = _state_of(states, gift.member_id, moment)
    giver = giver_state.wallet(gift.member_id, gift.unit)
    cancelled = rules.cancel(giver, gift, state, moment.at)
    if isinstance(cancelled, Rejection):
        return cancelled
    ended, expired = cancelled
    send_home(giver_state, giver, command.request.key, moment.at)
    given = [
        (key, max(0, giver_state.cap_uses.get(key, 0) - gift.amount)) for key in daily_uses_of(gift, moment.config)
    ]
    return Decision(Changed(ended, (giver,), *given), lambda: wire.cancel_response(ended, expired, moment))


def _known(
    states: StateByPartition, command: AcceptGift | CancelGift, moment: Moment[PointsConfig]
) -> Gift | Rejection:
    gift = _state_of(states, command.gift_id, moment).gifts.get(command.gift_id)
    return gift or errors.gift_unknown(wire.gift_id(command.gift_id))


def _state_of(states: StateByPartition, owned: UUID, moment: Moment[PointsConfig]) -> PointsState:
    """The state of the partition of an ID."""
    return states.of(moment.partition_of(owned.int))
