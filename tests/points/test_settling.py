"""What time does to a wallet does not depend on when, how often or in how many steps it is booked."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis import ids
from services.points.values import Balance, Clawback, Hold, Lot, LotUse
from services.points.wallet import Wallet
from services.points.wallets.balances import balance_at, settled
from services.points.wallets.lots import available, free, settle

START = datetime(2026, 1, 1, tzinfo=UTC)
MEMBER = ids.from_int(0)
HOURS = st.integers(0, 40)


def after(hours: int) -> datetime:
    return START + timedelta(hours=hours)


@st.composite
def wallets(draw: st.DrawFn) -> Wallet:
    """A wallet as commands may leave it: some lots in the past of which nothing was booked, holds, debts."""
    lots: dict[UUID, Lot] = {}
    holds: dict[UUID, Hold] = {}
    for number in range(draw(st.integers(0, 5))):
        lot_id = ids.derived(MEMBER, number + 1)
        left, held = draw(st.integers(0, 50)), draw(st.integers(0, 50))
        slides = draw(st.booleans())
        expiry = draw(st.none() | HOURS)
        lots[lot_id] = Lot(
            MEMBER,
            lot_id,
            "points",
            100,
            left,
            held,
            0,
            after(draw(st.integers(-10, 30))),
            None if expiry is None else after(expiry),
            "platform",
            MEMBER,
            None,
            slides,
        )
        if held:
            hold_id = ids.derived(MEMBER, 100 + number)
            until = after(draw(st.integers(1, 40)))
            uses = (LotUse(lot_id, held),)
            holds[hold_id] = Hold(
                hold_id, MEMBER, MEMBER, "fuel", "points", held, 0, "open", "", START, until, None, uses
            )
    owed = draw(st.lists(st.tuples(st.integers(1, 60), st.integers(-5, 20)), max_size=2))
    clawbacks = {}
    for number, (amount, hour) in enumerate(owed):
        clawback_id = ids.derived(MEMBER, 200 + number)
        clawbacks[clawback_id] = Clawback(
            clawback_id, MEMBER, MEMBER, "points", MEMBER, "platform", amount, amount, after(hour), ()
        )
    debt = sum(amount for amount, _ in owed)
    total = sum(lot.remaining + lot.held for lot in lots.values())
    balance = Balance(total - debt, debt, draw(st.none() | HOURS.map(after)))
    return Wallet(MEMBER, "points", balance, lots, holds, clawbacks)


def state_of(wallet: Wallet) -> object:
    return wallet.balance, wallet.lots, wallet.holds, wallet.clawbacks, wallet.entries


@settings(deadline=None)
@given(wallets(), st.lists(HOURS, max_size=8), HOURS)
def test_settling_in_any_steps_comes_to_the_same_as_settling_once(wallet: Wallet, steps: list[int], end: int) -> None:
    at_once = settled(wallet, after(end))
    in_steps = settled(wallet, START)
    for step in sorted(step for step in steps if step <= end):
        settle(in_steps, after(step))
    settle(in_steps, after(end))
    assert state_of(in_steps) == state_of(at_once)
    assert balance_at(wallet, after(end)) == balance_at(at_once, after(end))


@settings(deadline=None)
@given(wallets(), HOURS)
def test_settling_twice_books_nothing_more(wallet: Wallet, end: int) -> None:
    once = settled(wallet, after(end))
    assert settled(once, after(end)).entries == []


@settings(deadline=None)
@given(wallets(), HOURS)
def test_a_settled_wallet_adds_up_and_has_nothing_to_spend_while_it_owes(wallet: Wallet, end: int) -> None:
    now = after(end)
    later = settled(wallet, now)
    in_lots = sum(lot.remaining + lot.held for lot in later.lots.values())
    owed = sum(clawback.owed for clawback in later.clawbacks.values())
    assert later.balance.debt == owed
    assert later.balance.balance == in_lots - owed
    assert all(lot.remaining >= 0 and lot.held >= 0 for lot in later.lots.values())
    if any(clawback.owed and clawback.taken_at <= now for clawback in later.clawbacks.values()):
        assert free(later, now) == 0
    assert available(later, now) == free(later, now) - owed


@settings(deadline=None)
@given(wallets(), HOURS)
def test_reading_changes_nothing(wallet: Wallet, end: int) -> None:
    before = (wallet.balance, dict(wallet.lots), dict(wallet.holds), dict(wallet.clawbacks))
    balance_at(wallet, after(end))
    assert (wallet.balance, wallet.lots, wallet.holds, wallet.clawbacks) == before
    assert not wallet.entries
    assert not wallet.changed_lots
