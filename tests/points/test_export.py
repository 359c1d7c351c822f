"""All entries, each once and in order, however often an export breaks off."""

from typing import Any

import pytest

from services.points.reports import export
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    Shop,
    activity,
    open_shop,
    record,
    refund,
    refusal_of,
    reverse,
    rule,
    spend,
    unit,
)


async def stock(shop: Shop) -> list[Any]:
    """Members of several partitions to whom something happened, also many things in one batch."""
    members = [await shop.enrol(routing=routing) for routing in (0, 1, 1, 6)]
    now = await shop.now()
    for member in members:
        many = pb.BulkRecordActivitiesRequest(requests=[record(activity(member, 10 + n, now)) for n in range(7)])
        recorded = await shop.points.BulkRecordActivities(many)
        spent = await shop.points.Spend(spend(member, 30))
        await shop.points.RefundSpend(refund(spent.spend_id, 10))
        await shop.points.ReverseActivity(reverse(recorded.results[0].response.activity_id))
    return members


async def exported(shop: Shop, token: str = "", answers: int | None = None, **fields: Any) -> tuple[list[Any], str]:
    """What an export tells that breaks off after so many answers, and the token to go on with; empty at the end."""
    call = shop.points.ExportEntries(pb.ExportEntriesRequest(page_token=token, **fields))
    entries: list[Any] = []
    number = 0
    async for answer in call:
        entries += answer.entries
        token = answer.next_page_token
        assert all(e.entry.position.partition == answer.partition for e in answer.entries)
        assert all(e.entry.position.position <= answer.head_position for e in answer.entries)
        number += 1
        if number == answers:
            call.cancel()
            return entries, token
    assert token == ""
    return entries, token


def places(entries: list[Any]) -> list[tuple[int, int, int]]:
    return [(e.entry.position.partition, e.entry.position.position, e.ordinal) for e in entries]


async def test_the_export_tells_what_the_statements_tell() -> None:
    async with open_shop(unit(), rule(), *SCORE) as shop:
        members = await stock(shop)
        entries, _ = await exported(shop)
        assert places(entries) == sorted(places(entries))
        for member in members:
            listed = await shop.points.ListEntries(pb.ListEntriesRequest(member_id=member.member_id, page_size=1000))
            for entry in listed.entries:
                assert entry.member_id == member.member_id
                entry.ClearField("member_id")  # an exported entry says it beside
            assert [e.entry for e in entries if e.member_id == member.member_id] == list(reversed(listed.entries))


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_an_export_that_breaks_off_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(export, "MAX_ENTRIES", size)
    monkeypatch.setattr(export, "ROWS", 2)
    async with open_shop(unit(), rule(), *SCORE) as shop:
        members = await stock(shop)
        whole, _ = await exported(shop)
        assert len(set(places(whole))) == len(whole) == 4 * (7 * 2 + 2 + 2)
        parts, token = await exported(shop, answers=1)
        for member in members:
            await shop.earn(member, 1000)
        while token:
            part, token = await exported(shop, token, answers=2)
            parts += part
        assert parts == whole, "to the end that it had when it began, each entry once"
        later, _ = await exported(shop)
        assert len(later) == len(whole) + 4 * 2


async def test_one_partition_can_be_exported_and_others_are_refused() -> None:
    async with open_shop() as shop:
        await stock(shop)
        entries, _ = await exported(shop, partition=1)
        assert {partition for partition, _, _ in places(entries)} == {1}
        first, token = await exported(shop, answers=1, partition=1)
        assert first + (await exported(shop, token, partition=1))[0] == entries
        assert (await refusal_of(exported(shop, partition=8))).reason == "PARTITION_UNKNOWN"
        assert (await refusal_of(exported(shop, token))).reason == "PAGE_TOKEN_INVALID"
        assert (await refusal_of(exported(shop, "forged", partition=1))).reason == "PAGE_TOKEN_INVALID"


async def test_empty_books_export_nothing() -> None:
    async with open_shop() as shop:
        assert await exported(shop) == ([], "")
