"""Commands on what groups spend together: who may, what is decided, how it is answered.

The spend belongs to the member who spends; the seats are in the group's partition, and each wallet is in its member's.
Who contributes is known only when the seats are, so wallets are loaded with a second look (`Wider`).
"""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from services.chassis.access import domain_not_allowed
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment, Wider
from services.points.commands import RefundSpend, Spend
from services.points.documents import PointsConfig
from services.points.groups import errors, rules, wire
from services.points.groups.commands import LoadSpends, LoadWallets
from services.points.groups.values import PooledSpend
from services.points.members import member_rejection, status_rejection
from services.points.merges.drawing import send_home, wallets_without_debt
from services.points.merges.others import left, not_loaded
from services.points.state import PointsState
from services.points.state_by_partition import StateByPartition
from services.points.units import Unit
from services.points.wallet import Wallet
from services.points.wallets.lots import settle
from services.points.wallets.operations import amount_of, count_for_order, count_on_day, spendable_unit

MAX_LOADED_AHEAD = 1_000
"""Wallets that are loaded along for others of the batch, so that it need not be interrupted for each of them."""


class Pooled(NamedTuple):
    """A pooled spend as it becomes, and the wallets that it changes."""

    pooled: PooledSpend
    wallets: tuple[Wallet, ...]

    def apply(self, states: StateByPartition, moment: Moment[PointsConfig]) -> None:
        """Fold it in: the spend is the spender's, each wallet its member's."""
        for wallet in self.wallets:
            _state_of(states, wallet.member_id, moment).put_wallet(wallet)
        _state_of(states, self.pooled.member_id, moment).put_pooled_spend(self.pooled)


def spend(states: StateByPartition, command: Spend, moment: Moment[PointsConfig]) -> Decided:
    """Decide what members of a group spend together."""
    home = _state_of(states, command.member_id, moment)
    rejection = member_rejection(home, command.member_id, command.account_id, command.domain)
    if rejection is not None:
        return rejection
    unit = pooled_unit(command.unit, moment.config)
    if isinstance(unit, Rejection):
        return unit
    assert unit.spec.pooling is not None, "checked by pooled_unit"
    members = _members(states, command, moment)
    if isinstance(members, Rejection):
        return members
    wider = _wider(states, members) or not_loaded(states, *members)
    if wider is not None:
        return wider
    persons = _wallets(states, command, members, moment)
    own, wallets = persons[0][0], [wallet for person in persons for wallet in person]

    def there() -> int:
        return sum(rules.given_by(wallet, moment.at, command.merchant) for wallet in wallets)

    amount = amount_of(home, own, command, unit, moment.at, there)
    if isinstance(amount, Rejection):
        return amount
    wanted, order, owned = _wanted(command, amount, moment), unit.spec.pooling.order, len(persons[0])
    spent = rules.spend(wallets, owned, order, wanted, command.merchant, moment.at)
    if isinstance(spent, Rejection):
        return spent
    pooled, parts = spent
    count_on_day(home, own, unit, moment.at, amount)
    count_for_order(home, own, unit, command, amount)
    changed = (own, *(wallet for wallet in wallets[1:] if wallet.spends or wallet.movements))
    return Decision(Pooled(pooled, changed), lambda: wire.spend_response(pooled, parts, own, moment))


def pooled_unit(code: str, config: PointsConfig) -> Unit | Rejection:
    """The unit, if groups may spend it together."""
    unit = spendable_unit(code, config)
    if isinstance(unit, Unit) and unit.spec.pooling is None:
        return errors.unit_not_pooled(code)
    return unit


def _members(states: StateByPartition, command: Spend, moment: Moment[PointsConfig]) -> list[UUID] | Rejection:
    """Who is in the group now, if the member who spends is and they share points; that one is the first."""
    assert command.group_id is not None
    seats = _state_of(states, command.group_id, moment).taken_seats(command.group_id)
    own = next((seat for seat in seats if seat.member_id == command.member_id), None)
    if own is None:
        return errors.not_in_group(wire.group_id(command.group_id))
    if not own.shares_points:
        return errors.group_shares_no_points(wire.group_id(command.group_id))
    others = {seat.member_id for seat in seats} - {command.member_id}
    return [command.member_id, *sorted(others)]


def _wider(states: StateByPartition, members: Iterable[UUID]) -> Wider | None:
    """What has to be loaded as well: wallets of the group, and of the groups that others of the batch may name."""
    missing = [member_id for member_id in members if member_id not in states.with_wallets]
    if not missing:
        return None
    ahead = states.members_of_groups() - states.with_wallets - set(missing)
    return Wider(LoadWallets((*missing, *sorted(ahead)[:MAX_LOADED_AHEAD])))


def _wallets(
    states: StateByPartition, command: Spend, members: Iterable[UUID], moment: Moment[PointsConfig]
) -> list[list[Wallet]]:
    """The wallets that give to the group, person by person, as time has left them: of nobody suspended or closed.

    What a person owes is paid out of its own wallets before any of them gives.
    """
    persons = []
    for member_id in members:
        state = _state_of(states, member_id, moment)
        # Who was merged has its seat no more, as will be heard: its wallets are the survivor's.
        if status_rejection(state, member_id) is None and state.link(member_id).leads_to is None:
            persons.append(wallets_without_debt(state, member_id, command.unit, command.request.key, moment.at))
    return persons


def _wanted(command: Spend, amount: int, moment: Moment[PointsConfig]) -> PooledSpend:
    assert command.group_id is not None
    return PooledSpend(
        spend_id=command.spend_id,
        group_id=command.group_id,
        member_id=command.member_id,
        account_id=command.account_id,
        domain=command.domain,
        unit=command.unit,
        amount=amount,
        refunded=0,
        reference=command.reference,
        spent_at=moment.at,
        contributions=(),
        order_minor=command.order_minor or None,
    )


def refund(states: StateByPartition, command: RefundSpend, moment: Moment[PointsConfig]) -> Decided:
    """Decide what comes back of a pooled spend."""
    home = _state_of(states, command.spend_id, moment)
    pooled = home.pooled_spends[command.spend_id]
    if not command.caller.may_act_in(pooled.domain):
        return domain_not_allowed(command.caller, pooled.domain)
    wider = _wider_to_refund(states, pooled, moment)
    if wider is not None:
        return wider
    for contribution in pooled.contributions:
        if (wider := left(states, contribution.member_id)) is not None:
            return wider
    spends, wallets = {}, {}
    for member_id, spend_id, *_ in pooled.contributions:
        state = _state_of(states, member_id, moment)
        spends[member_id] = state.spends[spend_id]
        wallets[member_id] = state.wallet(member_id, pooled.unit)
    own = wallets.get(pooled.member_id) or home.wallet(pooled.member_id, pooled.unit)
    settle(own, moment.at)
    unit = moment.config.units.get(pooled.unit)
    if command.order_returned_minor:
        refunded = rules.refund_returned(wallets, spends, unit, pooled, command.order_returned_minor, moment.at)
    else:
        refunded = rules.refund(wallets, spends, unit, pooled, command.amount, moment.at)
    if isinstance(refunded, Rejection):
        return refunded
    count_on_day(home, own, unit, pooled.spent_at, -refunded.amount)
    count_for_order(home, own, unit, pooled, -refunded.amount)
    known = {own.member_id: own, **wallets}
    for wallet in known.values():
        state = _state_of(states, wallet.member_id, moment)
        send_home(state, wallet, command.request.key, moment.at, known)
    return Decision(Pooled(refunded.pooled, tuple(known.values())), lambda: wire.refund_response(refunded, own, moment))


def _wider_to_refund(states: StateByPartition, pooled: PooledSpend, moment: Moment[PointsConfig]) -> Wider | None:
    """What has to be loaded as well: the spends of the wallets, and those of the other pooled spends of the batch."""
    missing = _not_loaded(states, [pooled], moment)
    if not missing:
        return None
    ahead = _not_loaded(states, states.pooled_spends(), moment) - missing
    return Wider(LoadSpends((*sorted(missing), *sorted(ahead)[:MAX_LOADED_AHEAD])))


def _not_loaded(states: StateByPartition, pooled: Iterable[PooledSpend], moment: Moment[PointsConfig]) -> set[UUID]:
    """The wallets' spends of pooled ones that are not loaded."""
    spend_ids = {contribution.spend_id for one in pooled for contribution in one.contributions}
    return {spend_id for spend_id in spend_ids if spend_id not in _state_of(states, spend_id, moment).spends}


def _state_of(states: StateByPartition, owned: UUID, moment: Moment[PointsConfig]) -> PointsState:
    """The state of the partition of an ID."""
    return states.of(moment.partition_of(owned.int))
