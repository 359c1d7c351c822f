"""A statement tells what was asked for and nothing else, in pages as without."""

import json
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from services.chassis.instants import timestamp
from services.points.heard import AccountHeard
from services.points.wallets import reads
from tessera.points.v1 import event_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import SCORE, Member, Shop, local, open_shop, refund, refusal_of, rule, someone, spend, unit
from tests.support.plans import plan_of


async def listed(shop: Shop, member: Member, page_size: int = 0, **fields: Any) -> list[Any]:
    """All entries that filters let through, page by page."""
    entries, token = [], ""
    while True:
        request = pb.ListEntriesRequest(member_id=member.member_id, page_size=page_size, page_token=token, **fields)
        page = await shop.points.ListEntries(request)
        entries += page.entries
        token = page.next_page_token
        if not token:
            return entries


@pytest.mark.parametrize("page_size", [1, 2, 0])
async def test_every_filter_lets_through_what_it_names(page_size: int) -> None:
    async with open_shop(unit(), rule(), *SCORE, at="2026-05-01") as shop:
        member, other = await shop.enrol("fuel"), someone("food")
        await shop.hear("identity", member.partition, AccountHeard(other.account_uuid, member.uuid, "food", True))
        at_food = Member(member.uuid, other.account_uuid, "food")
        first = await shop.earn(member, 100)
        await shop.go_to("2026-05-10")
        await shop.earn(at_food, 40)
        late = await shop.earn(member, 7, at=local("2026-05-02"))
        spent = await shop.points.Spend(spend(at_food, 30))
        await shop.points.RefundSpend(refund(spent.spend_id, 10))

        async def found(**fields: Any) -> list[int]:
            return [entry.amount for entry in await listed(shop, member, page_size, unit="points", **fields)]

        day = {number: timestamp(local(f"2026-05-{number:02}")) for number in (1, 2, 3, 10, 11)}
        assert await found() == [10, -30, 7, 40, 100]
        assert await found(kinds=[event_pb2.ENTRY_KIND_SPEND, event_pb2.ENTRY_KIND_REFUND]) == [10, -30]
        assert await found(effective_from=day[2], effective_until=day[10]) == [7]
        assert await found(effective_from=day[10]) == [10, -30, 40]
        assert await found(effective_until=day[2]) == [100]
        assert await found(recorded_until=day[10]) == [100]
        assert await found(recorded_from=day[10], effective_until=day[10]) == [7]
        assert await found(account_id=member.account_id) == [7, 100]
        assert await found(domain="food") == [10, -30, 40]
        assert await found(domain="food", kinds=[event_pb2.ENTRY_KIND_EARN]) == [40]
        assert await found(domain="travel") == []
        assert await found(source_id=spent.spend_id) == [10, -30]
        assert await found(source_id=first.activity_id) == [100]
        both = await listed(shop, member, page_size, source_id=late.activity_id)
        assert [(entry.unit, entry.amount) for entry in both] == [("score", 7), ("points", 7)]


async def test_a_page_token_goes_with_its_filters() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        for _ in range(3):
            await shop.earn(member, 10)
        asked = pb.ListEntriesRequest(member_id=member.member_id, page_size=1, kinds=[event_pb2.ENTRY_KIND_EARN])
        asked.page_token = (await shop.points.ListEntries(asked)).next_page_token
        assert (await shop.points.ListEntries(asked)).next_page_token
        asked.kinds.append(event_pb2.ENTRY_KIND_SPEND)
        assert (await refusal_of(shop.points.ListEntries(asked))).reason == "PAGE_TOKEN_INVALID"


async def test_filters_that_say_nothing_sensible_are_refused() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        too_late = Timestamp(seconds=253_402_300_799)
        for field in ("effective_from", "effective_until", "recorded_from", "recorded_until"):
            asked = pb.ListEntriesRequest(member_id=member.member_id, **{field: too_late})
            refusal = await refusal_of(shop.points.ListEntries(asked))
            assert (refusal.reason, refusal.metadata) == ("TIME_OUT_OF_RANGE", {"field": field})
        malformed: list[dict[str, Any]] = [
            {"kinds": [0]},
            {"kinds": [63]},
            {"account_id": "spend_1"},
            {"domain": "Food"},
            {"source_id": "x"},
        ]
        for fields in malformed:
            asked = pb.ListEntriesRequest(member_id=member.member_id, **fields)
            assert (await refusal_of(shop.points.ListEntries(asked))).code == StatusCode.INVALID_ARGUMENT


async def test_a_page_is_read_along_the_key_and_no_further_than_it_goes() -> None:
    plan = await plan_of("points", reads._ENTRIES)
    assert "Index Scan Backward using entries_pkey" in plan, plan
    assert "Sort" not in plan, plan
    assert 'ROW("position", ordinal) < ROW($4, $5)' in plan, plan


async def test_a_page_of_a_long_statement_costs_what_a_page_of_a_short_one_does() -> None:
    async with open_shop() as shop:
        member = await shop.enrol()
        await shop.earn(member, 1)
        pool, now = shop.suite.running["points"].platform.pool, await shop.now()
        await pool.execute(
            """
            INSERT INTO entries
            SELECT $1, $2, 1000 + n / 10, n % 10, CASE WHEN n % 4 = 0 THEN 'points' ELSE 'score' END, 1, 1, n,
                   'funder:platform', $3, $3, NULL, $2, ''
            FROM generate_series(1, 20000) AS n
            """,
            member.partition,
            member.uuid,
            now - timedelta(days=1),
        )
        async with pool.acquire() as connection:
            rows = await connection.fetch(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) {reads._ENTRIES}",
                *(member.partition, member.uuid, "points", *(1 << 62, 0), 100),
                *reads.EntryFilter(),
            )
        assert (await listed(shop, member, 100, unit="points"))[0].balance_after == 20000
        assert buffers_of(rows[0][0]) < 40


def buffers_of(explained: str) -> int:
    """The pages that a statement looked at."""
    plan = json.loads(explained)[0]["Plan"]
    pages: int = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return pages
