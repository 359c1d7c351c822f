"""The members of the bench fit the tables as they are now."""

import asyncpg
import pytest

from tests.bench import population
from tests.support.postgres import drop_database, new_database


async def test_the_bench_fills_wallets_that_the_service_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population, "MEMBERS", 20)
    monkeypatch.setattr(population, "WITH_WALLET", 10)
    dsn = await new_database("points")
    await population.fill_points(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        tables = ("members", "lots", "balances")
        counts = [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables]
    finally:
        await connection.close()
        await drop_database(dsn)
    assert counts == [20, 10 * len(population.LOTS), 20]
