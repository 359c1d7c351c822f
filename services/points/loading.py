"""Reading the rows that the commands of a batch need, by sets."""

from collections.abc import Collection, Sequence
from uuid import UUID

from services.chassis.database import Connection
from services.chassis.reading import Reading
from services.points import queries, values
from services.points.activities import loading
from services.points.activities import operations as activities
from services.points.activities.clawbacks import budget_keys_of, cap_keys_of
from services.points.budgets.commands import LoadBudgets
from services.points.budgets.loading import BudgetPeriods, read_budgets
from services.points.gifts import operations as gifts
from services.points.groups.commands import LoadGroupCaps, LoadWallets
from services.points.groups.loading import read_pooled_spends, read_seats, read_seats_since
from services.points.groups.values import PooledSpend
from services.points.keys import Keys, Loaded, keys_of
from services.points.merges.commands import LoadOthers, LoadProvenance, Sent
from services.points.merges.queries import read_links
from services.points.merges.reading import read_provenance
from services.points.partners import operations as partners
from services.points.partners.loading import read_partner_conversions
from services.points.state import PointsState
from services.points.state_by_partition import StateByPartition
from services.points.values import ActivityRow
from services.points.wallets import operations as wallets


async def load(connection: Connection, partition: int, commands: Sequence[Loaded], states: StateByPartition) -> None:
    """Read the rows of a partition that the commands concern."""
    for command in commands:
        if isinstance(command, LoadWallets):
            states.with_wallets.update(command.member_ids)
        if isinstance(command, LoadProvenance):
            states.with_wallets.update(command.member_ids)
            states.with_provenance.update((command.unmerge_id, each) for each in command.member_ids)
        if isinstance(command, LoadOthers):
            states.with_wallets.update(command.wallets)
            states.looked_up.update(key for _, key in command.natural_keys)
            states.with_caps.update(command.caps)
            states.with_accounts.update(command.accounts)
    state = states.of(partition)
    await load_partition(connection, partition, commands, state)
    if state.links:
        sent = (command for command in commands if isinstance(command, Sent))
        states.of_persons += [command for command in sent if state.link(command.member_id).merged]


async def load_partition(
    connection: Connection, partition: int, commands: Sequence[Loaded], state: PointsState
) -> None:
    """Read the rows that the commands concern: four round trips at most, whatever the size of the batch."""
    keys = keys_of(commands, state.config)
    for command in commands:
        if isinstance(command, LoadBudgets):
            state.budgets.note_loaded(partition, command.keys)
        if isinstance(command, LoadGroupCaps):
            state.group_caps.note_loaded(command.keys)
    reading = Reading(connection, partition)
    _read_named(reading, keys, state)
    named = (
        keys.holds,
        keys.spends,
        keys.gifts,
        keys.adjustments,
        keys.reversals,
        keys.parked,
        keys.partner_conversions,
    )
    if any(named):
        await reading.run()
    if pooled := keys.refunded_spends.difference(state.spends):
        read_pooled_spends(reading, pooled, state)
        await reading.run()
    resolved = [row for row_id in keys.parked if (row := state.parked.get(row_id)) is not None]
    keys.reversals.update(row.natural_key for row in resolved)
    keys.wallets.update(row.member_id for row in resolved)
    reversing = _rows_reversed(keys.reversals, state)
    keys.caps.extend(key for row in reversing for key in cap_keys_of(row))
    keys.budgets.extend(BudgetPeriods.of(key) for row in reversing for key in budget_keys_of(row))
    used: list[values.Spend | values.Hold | PooledSpend] = [
        *state.spends.values(),
        *state.holds.values(),
        *state.pooled_spends.values(),
    ]
    keys.caps.extend(key for one in used for key in wallets.counting_keys_of(one, state.config))
    keys.caps.extend(key for gift in state.gifts.values() for key in gifts.daily_uses_of(gift, state.config))
    keys.caps.extend(
        key for one in state.partner_conversions.values() for key in partners.cap_keys_of(one, state.config)
    )
    loaded = (state.spends, state.pooled_spends, state.holds, state.gifts, state.adjustments, state.partner_conversions)
    for rows in (reversing, *(rows.values() for rows in loaded)):
        keys.wallets.update(row.member_id for row in rows)
    if state.config.sliding_units or state.config.cutting_units:
        keys.wallets |= keys.earning
    if keys.budgets:
        read_budgets(reading, partition, keys.budgets, state.budgets)
    _read_members(reading, keys, activities.ladders_of(commands, state.config), state)
    _read_lots(reading, keys.wallets, reversing, state)
    await reading.run()
    _read_debts(reading, keys.wallets, state)
    await reading.run()


def _read_named(reading: Reading, keys: Keys, state: PointsState) -> None:
    """What commands name by its ID."""
    if keys.activities or keys.natural_keys:
        queries.read_activities(reading, keys.activities, keys.natural_keys, state)
    if keys.refunded_keys:
        loading.read_parked_for(reading, keys.refunded_keys, state)
    if keys.earning:
        loading.read_waiting_for(reading, keys.natural_keys, state)
    if keys.parked:
        loading.read_parked(reading, keys.parked, state)
        queries.read_activities_of_parked(reading, keys.parked, state)
    if keys.holds:
        queries.read_holds(reading, keys.holds, state)
    if keys.spends:
        queries.read_spends(reading, keys.spends, state)
    if keys.gifts:
        queries.read_gifts(reading, keys.gifts, state)
    if keys.adjustments:
        queries.read_adjustments(reading, keys.adjustments, state)
    if keys.partner_conversions:
        read_partner_conversions(reading, keys.partner_conversions, state)


def _read_members(reading: Reading, keys: Keys, ladders: Sequence[str], state: PointsState) -> None:
    """The members concerned, and what rules look at beside their lots."""
    members = keys.earning | keys.wallets
    if linked := members | keys.linked:
        read_links(reading, linked, state)
    if keys.provenance:
        read_provenance(reading, keys.provenance, state)
    if members:
        queries.read_members(reading, members, state)
        queries.read_balances(reading, members, state)
    if keys.accounts:
        queries.read_accounts(reading, keys.accounts, state)
    if keys.groups:
        read_seats(reading, keys.groups, state)
    if keys.seats:
        read_seats_since(reading, keys.seats, state)
    if keys.standings:
        queries.read_standings(reading, keys.standings, ladders, state)
    if keys.caps:
        queries.read_cap_uses(reading, keys.caps, state)


def _read_lots(
    reading: Reading, wallets: Collection[UUID], reversing: Sequence[ActivityRow], state: PointsState
) -> None:
    """The lots that commands may move, and the holds on them."""
    if wallets:
        queries.read_open_holds(reading, wallets, state)
        queries.read_open_lots(reading, wallets, state)
    burnt = {(spend.member_id, use.lot_id) for spend in state.spends.values() for use in spend.uses}
    if burnt:
        queries.read_lots(reading, sorted(burnt), state)
    if reversing:
        activity_ids = [row.activity_id for row in reversing]
        loading.read_refunds(reading, activity_ids, state)
        loading.read_completions(reading, activity_ids, state)
        queries.read_lots_of_activities(reading, [(row.member_id, row.activity_id) for row in reversing], state)


def _read_debts(reading: Reading, wallets: Collection[UUID], state: PointsState) -> None:
    """What members owe; the lots of those who did not need them before: what they earn pays it, or comes back."""
    indebted = {member_id for (member_id, _), balance in state.balances.items() if balance.debt}
    if indebted:
        queries.read_clawbacks(reading, indebted, state)
    refunded = {row.member_id for row in state.parked.values()}
    if paying := (indebted | refunded).difference(wallets):
        queries.read_open_holds(reading, paying, state)
        queries.read_open_lots(reading, paying, state)


def _rows_reversed(reversals: set[UUID], state: PointsState) -> list[ActivityRow]:
    if not reversals:
        return []
    return [row for row in state.activities.values() if {row.activity_id, row.natural_key} & reversals]
