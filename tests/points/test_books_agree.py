"""After a life in which everything happened, all that points tell of it agrees."""

from typing import Any

import pytest
import pytest_asyncio

from services.chassis import ids
from services.chassis.instants import timestamp
from tessera.points.v1 import points_service_pb2 as pb
from tests.points import eventful
from tests.points.builders import Shop, open_shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> Any:
    async with open_shop(*eventful.DOCUMENTS, at=eventful.OPENING) as opened:
        await eventful.live(opened)
        yield opened


async def members(shop: Shop) -> list[str]:
    """Everybody who has a wallet."""
    pool = shop.suite.running["points"].platform.pool
    return [ids.encode("member", row[0]) for row in await pool.fetch("SELECT DISTINCT member_id FROM balances")]


async def lots_of(shop: Shop, member_id: str) -> list[Any]:
    found = []
    for code in ("points", "sliding"):
        request = pb.ListLotsRequest(member_id=member_id, unit=code, include_closed=True, page_size=1000)
        found += (await shop.points.ListLots(request)).lots
    return found


async def test_every_lot_says_where_it_came_from_and_where_all_of_it_went(shop: Shop) -> None:
    sources = set()
    for member_id in await members(shop):
        for lot in await lots_of(shop, member_id):
            trace = await shop.points.TraceLot(pb.TraceLotRequest(member_id=member_id, lot_id=lot.lot_id))
            went = trace.spent + trace.clawed_back + trace.expired + trace.restored
            assert lot.amount == lot.remaining + lot.held + went, trace
            assert trace.lot.source_id == lot.source_id
            sources.add(lot.source_id.partition("_")[0])
    assert sources == {"activity", "grant", "conversion", "gift"}


async def test_the_liability_is_what_the_summary_has_outstanding(shop: Shop) -> None:
    owed: dict[str, int] = {}
    async for answer in shop.points.GetLiability(pb.GetLiabilityRequest()):
        for line in answer.lines:
            owed[line.unit] = owed.get(line.unit, 0) + line.outstanding
        for receivable in answer.receivables:
            owed[receivable.unit] = owed.get(receivable.unit, 0) - receivable.amount
    summary = await shop.points.GetLedgerSummary(pb.GetLedgerSummaryRequest())
    outstanding = {sums.unit: sums.outstanding for sums in summary.units if sums.unit != "score" and sums.outstanding}
    assert {unit: amount for unit, amount in owed.items() if amount} == outstanding


async def test_the_export_has_every_entry_and_clearing_comes_to_nothing(shop: Shop) -> None:
    entries = [
        entry async for answer in shop.points.ExportEntries(pb.ExportEntriesRequest()) for entry in answer.entries
    ]
    pool = shop.suite.running["points"].platform.pool
    assert len(entries) == await pool.fetchval("SELECT count(*) FROM entries")
    assert sum(entry.entry.amount for entry in entries if entry.entry.counterparty == "clearing") == 0


async def test_a_balance_as_recorded_now_is_the_balance(shop: Shop) -> None:
    now = timestamp(await shop.now())
    for member_id in await members(shop):
        today = (await shop.points.GetBalance(pb.GetBalanceRequest(member_id=member_id))).balances
        known = (await shop.points.GetBalance(pb.GetBalanceRequest(member_id=member_id, recorded_by=now))).balances
        assert [(b.unit, b.available + sum(r.amount for r in b.restricted), b.held) for b in today] == [
            (b.unit, b.available, b.held) for b in known
        ]
