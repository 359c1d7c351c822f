"""The sealed journal goes into files that prove themselves; whatever breaks off, nothing is lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.points.seals import queries
from tessera import archive
from tessera.archive import ArchiveDamaged, archive_journal, check_file, path_of, read_archive
from tessera.client import Client
from tessera.errors import Error
from tessera.events.v1 import event_feed_pb2
from tessera.points.v1 import seal_pb2
from tessera.proofs import prove_chain, prove_ledger
from tests.points.builders import Shop, open_shop, spend
from tests.sdk.scripted import Answer, scripted
from tests.support import access


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SETTLE_S", 0)


@asynccontextmanager
async def sealed_twice() -> AsyncIterator[tuple[Shop, Client]]:
    """A shop with two seals in partition 0 and something after them, and a client of it."""
    async with open_shop() as shop:
        member = await shop.enrol()
        for paid in (10, 20):
            await shop.earn(member, paid)
            await shop.points.Spend(spend(member, 5))
            await shop.seal(partition=0)
        await shop.earn(member, 30)
        async with Client(shop.suite.addresses, access.token(access.EVERYTHING)) as client:
            yield shop, client


async def seals_of(client: Client) -> list[seal_pb2.Seal]:
    return list((await client.points.ListSeals(seal_pb2.ListSealsRequest(partition=0))).seals)


def files(folder: Path, suffix: str = archive.SUFFIX) -> list[Path]:
    return sorted(folder.rglob(f"*{suffix}"))


async def left(shop: Shop) -> list[int]:
    """The positions of partition 0 that the database has."""
    pool = shop.suite.running["points"].platform.pool
    rows = await pool.fetch("SELECT position FROM journal WHERE partition = 0 ORDER BY position")
    return [row["position"] for row in rows]


async def test_what_is_sealed_goes_into_a_file_for_each_seal_and_the_chain_is_proved_through_them(
    tmp_path: Path,
) -> None:
    async with sealed_twice() as (shop, client):
        seals = await seals_of(client)
        archived = await archive_journal(client, tmp_path)
        assert [(part.first, part.last) for part in archived] == [(1, 2), (3, 4)]
        assert [part.path for part in archived] == [path_of(tmp_path, seal) for seal in seals]
        assert await left(shop) == [5]
        assert await archive_journal(client, tmp_path) == []
        newest = read_archive(tmp_path)
        assert newest[0].seal_hash == seals[-1].seal_hash
        assert (await prove_chain(client, "points", archived=newest)).findings == ()
        assert (await prove_ledger(client, from_seal=True)).findings == ()
        with pytest.raises(Error, match="archived"):
            await prove_chain(client, "points")
        with pytest.raises(Error, match="archived"):
            await prove_ledger(client)


@pytest.mark.parametrize("crash", ["while writing", "before the rename", "before trimming", "after trimming"])
async def test_whatever_breaks_off_nothing_is_lost_and_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    async with sealed_twice() as (shop, client):
        with monkeypatch.context() as patched:
            crash_at(patched, crash)
            with pytest.raises((Crash, Error)):
                await archive_journal(client, tmp_path)
        there = set(await left(shop))
        for path in files(tmp_path):
            seal = check_file(path)
            there |= set(range(seal.previous_position + 1, seal.position + 1))
        assert there == {1, 2, 3, 4, 5}
        await archive_journal(client, tmp_path)
        assert await left(shop) == [5]
        newest = read_archive(tmp_path)
        assert newest[0].position == 4
        assert files(tmp_path, ".part") == []
        assert (await prove_chain(client, "points", archived=newest)).findings == ()
        assert (await prove_ledger(client, from_seal=True)).findings == ()


class Crash(Exception):
    """The process is gone."""


def crash_at(patched: pytest.MonkeyPatch, where: str) -> None:
    """Let the process end at a place."""

    def crash(*_: Any) -> Any:
        raise Crash

    async def crash_soon(*_: Any) -> Any:
        raise Crash

    match where:
        case "while writing":
            patched.setattr(archive.os, "fsync", crash)
        case "before the rename":
            patched.setattr(archive, "_check_seal", crash)
        case "before trimming":
            patched.setattr(queries, "trim", crash_soon)
        case "after trimming":
            patched.setattr(archive, "Archived", crash)


async def test_what_a_follower_has_not_read_stays(tmp_path: Path) -> None:
    def answer(name: str, payload: bytes) -> Answer:
        cursors = [event_feed_pb2.Cursor(partition=0, position=3)]
        followed = event_feed_pb2.GetPositionsResponse.Followed(service="points", cursors=cursors)
        return event_feed_pb2.GetPositionsResponse(service="tiers", followed=[followed])

    async with sealed_twice() as (shop, _), scripted(answer) as slow:
        addresses = {**shop.suite.addresses, "tiers": slow.address}
        async with Client(addresses, access.token(access.EVERYTHING)) as client:
            told: list[str] = []
            assert [part.last for part in await archive_journal(client, tmp_path, told.append)] == [2]
        assert told[-1] == "partition 0: 4 is sealed, followers have read up to 3"
        assert await left(shop) == [3, 4, 5]


async def test_every_changed_byte_of_a_file_is_found(tmp_path: Path) -> None:
    async with sealed_twice() as (_, client):
        await archive_journal(client, tmp_path)
        path = files(tmp_path)[0]
        whole = path.read_bytes()
        unnoticed = []
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            try:
                read_archive(tmp_path)
            except ArchiveDamaged:
                continue
            unnoticed.append(place)
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(ArchiveDamaged):
                check_file(path)
        path.unlink()
        with pytest.raises(ArchiveDamaged, match="does not follow"):
            read_archive(tmp_path)
    assert unnoticed == []


async def test_a_damaged_file_is_not_taken_for_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with sealed_twice() as (shop, client):
        with monkeypatch.context() as patched:
            crash_at(patched, "before trimming")
            with pytest.raises(Error):
                await archive_journal(client, tmp_path)
        (path,) = files(tmp_path)
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ArchiveDamaged):
            await archive_journal(client, tmp_path)
        assert await left(shop) == [1, 2, 3, 4, 5]
