"""Commands on wallets: who may, what is decided, how it is answered."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from services.chassis.access import domain_not_allowed
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.points import errors, wire
from services.points.commands import CaptureHold, ExtendHold, PlaceHold, RefundSpend, ReleaseHold, SettleWallets, Spend
from services.points.documents import PointsConfig
from services.points.groups import errors as group_errors
from services.points.groups.values import PooledSpend
from services.points.members import member_rejection
from services.points.merges.drawing import send_home, wallet_to_draw_on
from services.points.partners.values import PARTNER_HOLDS
from services.points.state import PointsState
from services.points.units import Unit
from services.points.values import GIFT_HOLDS, CapKey, Hold
from services.points.values import Spend as SpendRow
from services.points.wallet import Wallet
from services.points.wallets import limits, rules
from services.points.wallets.lots import available, settle

WalletCommand = Spend | PlaceHold | CaptureHold | ReleaseHold | ExtendHold | RefundSpend | SettleWallets


def decide(state: PointsState, command: WalletCommand, moment: Moment[PointsConfig]) -> Decided:
    """Decide one command on wallets. Its outcome is the wallets as they become."""
    match command:
        case Spend():
            return _spend(state, command, moment)
        case PlaceHold():
            return _place_hold(state, command, moment)
        case CaptureHold():
            return _capture(state, command, moment)
        case ReleaseHold():
            return _release(state, command, moment)
        case ExtendHold():
            return _extend(state, command, moment)
        case RefundSpend():
            return _refund(state, command, moment)
        case SettleWallets():
            return _settle(state, command, moment)


def spendable_unit(code: str, config: PointsConfig) -> Unit | Rejection:
    """The unit, if it is one that can be spent."""
    if not config.units:
        return errors.NOT_CONFIGURED
    unit = config.units.get(code)
    if unit is None:
        return errors.unit_unknown(code)
    return unit if unit.is_spendable else errors.unit_not_spendable(code)


ForOrder = Spend | PlaceHold | Hold | SpendRow | PooledSpend
"""What is, was or is to be spent, maybe for an order."""


def counting_keys(command: Spend | PlaceHold, config: PointsConfig) -> list[CapKey]:
    """What spending is counted under, from the earliest day on."""
    return _keys(command, command.received_at, config)


def counting_keys_of(used: Hold | SpendRow | PooledSpend, config: PointsConfig) -> list[CapKey]:
    """What a hold or spend is counted under."""
    return _keys(used, used.placed_at if isinstance(used, Hold) else used.spent_at, config)


def _keys(used: ForOrder, at: datetime, config: PointsConfig) -> list[CapKey]:
    unit = config.units.get(used.unit)
    keys = (limits.day_key(unit, used.member_id, at), _order_key(unit, used))
    return [key for key in keys if key is not None]


def _order_key(unit: Unit | None, used: ForOrder) -> CapKey | None:
    return limits.order_key(unit, used.member_id, used.domain, used.reference)


def amount_of(
    state: PointsState,
    wallet: Wallet,
    command: Spend | PlaceHold,
    unit: Unit,
    at: datetime,
    there: Callable[[], int],
) -> int | Rejection:
    """How much is to be spent or held by the owner of a wallet, as the limits of the unit allow; `there` tells what is,
    if that matters."""
    if unit.spec.spend is None and not command.up_to:
        return command.amount
    used = _used(state, wallet, command, unit, at)
    if not command.up_to:
        return limits.allowed(unit, command.amount, command.order_minor, used)
    return limits.largest_allowed(unit, command.amount, command.order_minor, used, there())


def _amount(
    state: PointsState, command: Spend | PlaceHold, unit: Unit, wallet: Wallet, moment: Moment[PointsConfig]
) -> int | Rejection:
    """How much of a wallet is to be spent or held."""

    def there() -> int:
        settle(wallet, moment.at)
        return available(wallet, moment.at, command.merchant)

    return amount_of(state, wallet, command, unit, moment.at, there)


def _used(state: PointsState, wallet: Wallet, command: Spend | PlaceHold, unit: Unit, at: datetime) -> limits.Used:
    """What counts already, on the day and for the order."""
    day, order = limits.day_key(unit, command.member_id, at), _order_key(unit, command)
    on_day = 0 if day is None else state.used(day)
    if order is None:
        return limits.Used(on_day)
    holds = (*wallet.holds.values(), *state.open_holds_elsewhere(command.member_id, unit.code))
    held = limits.held_for_order(holds, command.domain, command.reference, at)
    return limits.Used(on_day, state.used(order) + held)


def count_on_day(state: PointsState, wallet: Wallet, unit: Unit | None, at: datetime, amount: int) -> None:
    """Count spending on its day, or what comes back of it."""
    _count(state, wallet, limits.day_key(unit, wallet.member_id, at), amount)


def count_for_order(state: PointsState, wallet: Wallet, unit: Unit | None, spent: ForOrder, amount: int) -> None:
    """Count spending for its order, or what comes back of it."""
    _count(state, wallet, _order_key(unit, spent), amount)


def _count(state: PointsState, wallet: Wallet, key: CapKey | None, amount: int) -> None:
    if key is not None:
        used = wallet.cap_uses.get(key, state.cap_uses.get(key, 0))
        wallet.cap_uses[key] = max(0, used + amount)


def _spend(state: PointsState, command: Spend, moment: Moment[PointsConfig]) -> Decided:
    rejection = member_rejection(state, command.member_id, command.account_id, command.domain)
    if rejection is not None:
        return rejection
    unit = spendable_unit(command.unit, moment.config)
    if isinstance(unit, Rejection):
        return unit
    wallet = _drawn_on(state, command, moment)
    amount = _amount(state, command, unit, wallet, moment)
    if isinstance(amount, Rejection):
        return amount
    spent = rules.spend(
        wallet,
        command.spend_id,
        command.account_id,
        command.domain,
        amount,
        command.reference,
        moment.at,
        command.merchant,
        command.order_minor or None,
    )
    if isinstance(spent, Rejection):
        return spent
    count_on_day(state, wallet, unit, moment.at, amount)
    count_for_order(state, wallet, unit, command, amount)
    return Decision([wallet], lambda: wire.spend_response(spent, wallet.balance, wire.position_of(moment)))


def _drawn_on(state: PointsState, command: Spend | PlaceHold, moment: Moment[PointsConfig]) -> Wallet:
    return wallet_to_draw_on(
        state, command.member_id, command.unit, command.amount, command.request.key, moment.at, command.merchant
    )


def _place_hold(state: PointsState, command: PlaceHold, moment: Moment[PointsConfig]) -> Decided:
    rejection = member_rejection(state, command.member_id, command.account_id, command.domain)
    if rejection is not None:
        return rejection
    unit = spendable_unit(command.unit, moment.config)
    if isinstance(unit, Rejection):
        return unit
    wallet = _drawn_on(state, command, moment)
    amount = _amount(state, command, unit, wallet, moment)
    if isinstance(amount, Rejection):
        return amount
    hold = rules.place_hold(
        wallet,
        command.hold_id,
        command.account_id,
        command.domain,
        amount,
        command.reference,
        command.expires_at,
        moment.at,
        command.merchant,
        command.order_minor or None,
    )
    if isinstance(hold, Rejection):
        return hold
    count_on_day(state, wallet, unit, moment.at, amount)
    left = available(wallet, moment.at, command.merchant)
    return Decision([wallet], lambda: wire.hold_response(hold, left, wire.position_of(moment)))


def _known_hold(state: PointsState, hold_id: UUID) -> Hold | None:
    """A hold that may be captured, released or extended: one that offers a gift is the gift's, and one that waits for a
    partner is the conversion's."""
    hold = state.holds.get(hold_id)
    return None if hold is None or hold.domain.startswith((GIFT_HOLDS, PARTNER_HOLDS)) else hold


def _capture(state: PointsState, command: CaptureHold, moment: Moment[PointsConfig]) -> Decided:
    hold = _known_hold(state, command.hold_id)
    if hold is None:
        return errors.hold_unknown(wire.hold_id(command.hold_id))
    if not command.caller.may_act_in(hold.domain):
        return domain_not_allowed(command.caller, hold.domain)
    wallet = state.wallet(hold.member_id, hold.unit)
    wallet.holds[hold.hold_id] = hold
    captured = rules.capture(wallet, hold.hold_id, command.spend_id, command.amount, moment.at)
    if isinstance(captured, Rejection):
        return captured
    unit = moment.config.units.get(hold.unit)
    count_on_day(state, wallet, unit, hold.placed_at, -hold.amount)
    count_on_day(state, wallet, unit, moment.at, captured.spend.amount)
    count_for_order(state, wallet, unit, hold, captured.spend.amount)
    send_home(state, wallet, command.request.key, moment.at)
    return Decision([wallet], lambda: wire.capture_response(captured, wallet.balance, wire.position_of(moment)))


def _release(state: PointsState, command: ReleaseHold, moment: Moment[PointsConfig]) -> Decided:
    hold = _known_hold(state, command.hold_id)
    if hold is None:
        return errors.hold_unknown(wire.hold_id(command.hold_id))
    if not command.caller.may_act_in(hold.domain):
        return domain_not_allowed(command.caller, hold.domain)
    wallet = state.wallet(hold.member_id, hold.unit)
    wallet.holds[hold.hold_id] = hold
    released = rules.release(wallet, hold.hold_id, moment.at)
    if isinstance(released, Rejection):
        return released
    count_on_day(state, wallet, moment.config.units.get(hold.unit), hold.placed_at, -hold.amount)
    send_home(state, wallet, command.request.key, moment.at)
    return Decision([wallet], lambda: wire.release_response(released, wire.position_of(moment)))


def _extend(state: PointsState, command: ExtendHold, moment: Moment[PointsConfig]) -> Decided:
    hold = _known_hold(state, command.hold_id)
    if hold is None:
        return errors.hold_unknown(wire.hold_id(command.hold_id))
    if not command.caller.may_act_in(hold.domain):
        return domain_not_allowed(command.caller, hold.domain)
    wallet = state.wallet(hold.member_id, hold.unit)
    wallet.holds[hold.hold_id] = hold
    extended = rules.extend(wallet, hold.hold_id, command.expires_at, moment.at)
    if isinstance(extended, Rejection):
        return extended
    return Decision([wallet], lambda: wire.extend_response(extended, wire.position_of(moment)))


def _refund(state: PointsState, command: RefundSpend, moment: Moment[PointsConfig]) -> Decided:
    spent = state.spends.get(command.spend_id)
    if spent is None:
        return errors.spend_unknown(wire.spend_id(command.spend_id))
    if not command.caller.may_act_in(spent.domain):
        return domain_not_allowed(command.caller, spent.domain)
    if spent.pooled_spend_id is not None:
        return group_errors.spend_is_contribution(wire.spend_id(spent.pooled_spend_id))
    wallet = state.wallet(spent.member_id, spent.unit)
    unit = moment.config.units.get(spent.unit)
    if command.order_returned_minor:
        refunded = rules.refund_returned(wallet, unit, spent, command.order_returned_minor, moment.at)
    else:
        refunded = rules.refund(wallet, unit, spent, command.amount, moment.at)
    if isinstance(refunded, Rejection):
        return refunded
    count_on_day(state, wallet, unit, spent.spent_at, -refunded.amount)
    count_for_order(state, wallet, unit, spent, -refunded.amount)
    send_home(state, wallet, command.request.key, moment.at)
    return Decision([wallet], lambda: wire.refund_response(refunded, wallet.balance, wire.position_of(moment)))


def _settle(state: PointsState, command: SettleWallets, moment: Moment[PointsConfig]) -> Decided:
    settled = []
    for member_id, unit in state.open_wallets(command.member_ids):
        wallet = state.wallet(member_id, unit)
        settle(wallet, moment.at)
        if wallet.changed_lots or wallet.changed_holds:
            settled.append(wallet)
    return Decision(settled, lambda: b"")
