"""A batch writes the rows that changed, and looks for no row that it knows to be new."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.chassis.store import Rows
from services.points.documents import compile_documents
from services.points.state import PointsState
from services.points.values import Balance, Hold, Lot, Spend
from services.points.wallet import Wallet
from services.points.wallets import rules

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEMBER, ACCOUNT, HOLD, SPEND = (UUID(int=number) for number in range(1, 5))
LOTS = [
    Lot(MEMBER, UUID(int=number), "points", 10, 10, 0, 0, NOW, None, "shop", UUID(int=number), ACCOUNT)
    for number in (11, 12, 13)
]


def test_a_hold_is_written_as_new_with_the_lots_it_holds() -> None:
    state = loaded(LOTS)
    state.put_wallet(holding(state))
    rows = written(state)
    assert {table: len(rows[table]) for table in rows} == {"lots": 2, "new holds": 1, "new lot_uses": 2}


def test_capturing_a_hold_writes_the_uses_of_the_spend_alone() -> None:
    before = loaded(LOTS)
    before.put_wallet(holding(before))
    state = loaded(list(before.lots[MEMBER, "points"].lots.values()), hold=before.holds[HOLD])
    wallet = state.wallet(MEMBER, "points")
    rules.capture(wallet, HOLD, SPEND, 0, NOW)
    state.put_wallet(wallet)
    rows = written(state)
    assert [row[0] for row in rows["new lot_uses"]] == [SPEND, SPEND]
    assert "lot_uses" not in rows
    assert (len(rows["holds"]), len(rows["new spends"]), len(rows["lots"])) == (1, 1, 2)


def test_a_hold_that_is_placed_and_captured_in_one_batch_is_written_once_and_as_new() -> None:
    state = loaded(LOTS)
    state.put_wallet(holding(state))
    wallet = state.wallet(MEMBER, "points")
    rules.capture(wallet, HOLD, SPEND, 0, NOW)
    state.put_wallet(wallet)
    rows = written(state)
    assert [(row[0], row[7]) for row in rows["new holds"]] == [(HOLD, "captured")]
    assert [row[0] for row in rows["new lot_uses"]] == [HOLD, HOLD, SPEND, SPEND]
    assert "holds" not in rows
    assert "lot_uses" not in rows


@pytest.mark.parametrize(("refunded", "changed"), [(5, [1]), (15, [0, 1])], ids=["the last lot", "both lots"])
def test_a_refund_writes_the_uses_that_it_gives_back(refunded: int, changed: list[int]) -> None:
    before = loaded(LOTS)
    wallet = before.wallet(MEMBER, "points")
    rules.spend(wallet, SPEND, ACCOUNT, "fuel", 20, "", NOW)
    before.put_wallet(wallet)
    state = loaded(list(before.lots[MEMBER, "points"].lots.values()), spent=before.spends[SPEND])
    wallet = state.wallet(MEMBER, "points")
    rules.refund(wallet, None, state.spends[SPEND], refunded, NOW)
    state.put_wallet(wallet)
    rows = written(state)
    assert sorted(row[1] for row in rows["lot_uses"]) == changed
    assert "new lot_uses" not in rows
    assert len(rows["spends"]) == 1


def loaded(lots: list[Lot], hold: Hold | None = None, spent: Spend | None = None) -> PointsState:
    """What a batch has loaded of a member's wallet."""
    state = PointsState(compile_documents(()))
    state.balances[MEMBER, "points"] = Balance(sum(lot.remaining + lot.held for lot in lots))
    for lot in lots:
        state.add_lot(lot)
    if hold is not None:
        state.add_hold(hold)
    if spent is not None:
        state.spends[SPEND] = spent
    return state


def written(state: PointsState) -> dict[str, Rows]:
    """The rows that the batch writes, by what the store calls their table."""
    return {table: rows for table, rows in state.rows().items() if rows}


def holding(state: PointsState) -> Wallet:
    """The wallet with a hold on two of its lots."""
    wallet = state.wallet(MEMBER, "points")
    rules.place_hold(wallet, HOLD, ACCOUNT, "fuel", 20, "", NOW + timedelta(days=1), NOW)
    return wallet
