"""What is kept arranged while lots change is what arranging all of them anew comes to."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.chassis import ids
from services.points.piles import Pile, expiry_of
from services.points.values import Balance, Lot
from services.points.wallet import Wallet
from services.points.wallets.lots import in_burn_order, spendable, sums

START = datetime(2026, 1, 1, tzinfo=UTC)
MEMBER = ids.from_int(0)
HOURS = st.integers(0, 4)
MERCHANTS = st.sampled_from([None, None, "cafe", "kiosk"])


def after(hours: int) -> datetime:
    return START + timedelta(hours=hours)


@st.composite
def lots(draw: st.DrawFn) -> Lot:
    """One of few lots, with anything in it."""
    number = draw(st.integers(1, 24))
    left, held = draw(st.integers(0, 5)), draw(st.integers(0, 2))
    expiry = draw(st.none() | HOURS.map(after))
    merchant = [None, None, "cafe", "kiosk"][number % 4]
    where = (MEMBER, ids.derived(MEMBER, number), "points")
    source = ("platform", MEMBER, None, draw(st.booleans()), None, merchant)
    return Lot(*where, 10, left, held, 0, draw(HOURS.map(after)), expiry, *source)


BALANCES = st.builds(Balance, st.just(0), st.just(0), st.none() | HOURS.map(after))


@given(st.lists(lots(), max_size=30), HOURS.map(after), BALANCES)
def test_a_pile_that_changes_is_as_one_made_anew(changes: list[Lot], at: datetime, balance: Balance) -> None:
    pile, known = Pile({}), {}
    for lot in changes:
        pile.put(lot)
        known[lot.lot_id] = lot
        anew = Pile(dict(known))
        runs = {merchant: run for merchant, run in pile.runs(balance).items() if run}
        assert runs == anew.runs(balance)
        kept, made = pile.sums(at, balance), anew.sums(at, balance)
        assert (kept.pending, kept.held) == (made.pending, made.held)
        assert {m: n for m, n in kept.free.items() if n} == {m: n for m, n in made.free.items() if n}


@given(st.lists(lots(), max_size=8), st.lists(lots(), max_size=6), HOURS.map(after), BALANCES, MERCHANTS)
def test_a_wallet_finds_what_it_can_spend_whatever_was_changed_in_it(
    before: list[Lot], changes: list[Lot], at: datetime, balance: Balance, merchant: str | None
) -> None:
    known: dict[UUID, Lot] = {lot.lot_id: lot for lot in before}
    wallet = Wallet(MEMBER, "points", balance, dict(known), {}, pile=Pile(known))
    for lot in changes:
        wallet.put_lot(lot)
    there = [
        lot
        for lot in in_burn_order(wallet.lots.values(), balance)
        if lot.remaining and lot.available_at <= at < expiry_of(lot, balance) and lot.merchant in (None, merchant)
    ]
    assert list(spendable(wallet, at, merchant)) == there
    assert sum(sums(wallet, at).free.get(name, 0) for name in {None, merchant}) == sum(lot.remaining for lot in there)
    assert sums(wallet, at).pending == sum(lot.remaining for lot in wallet.lots.values() if lot.available_at > at)
    assert sums(wallet, at).held == sum(lot.held for lot in wallet.lots.values())
