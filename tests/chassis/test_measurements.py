"""What a scraper learns of lanes, batches, feeds and configuration."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from services.chassis.configurations import Configurations
from services.chassis.follower import Lag
from services.chassis.measurements import ServiceGauges
from tests.chassis.house import held, ledger_suite
from tests.chassis.ledger import Move
from tests.chassis.ledger_lanes import account, until_waiting
from tests.chassis.publishing import publish, setting
from tests.support.suite import Suite


def value(suite: Suite, name: str, service: str = "ledger", **labels: str) -> float | None:
    found: float | None = suite.running[service].platform.telemetry.registry.get_sample_value(name, labels)
    return found


async def test_batches_are_counted_by_size_and_duration() -> None:
    async with ledger_suite() as suite:
        await suite.lanes("ledger").submit([Move(account(), 1)] * 7)
        await suite.lanes("ledger").submit([Move(account(), 1)])
        assert value(suite, "batch_commands_count") == 2
        assert value(suite, "batch_commands_sum") == 8
        assert value(suite, "batch_commands_bucket", le="1.0") == 1
        assert value(suite, "batch_duration_seconds_count") == 2


async def test_a_lanes_depth_is_what_waits_in_it() -> None:
    async with ledger_suite() as suite:
        lanes = suite.lanes("ledger")
        async with held(suite.dsns["ledger"], partition=0):
            first = asyncio.create_task(lanes.one(Move(account(0), 1)))
            await asyncio.sleep(0)
            await until_waiting(lanes, 0)
            others = asyncio.create_task(lanes.submit([Move(account(0), 1)] * 5))
            await until_waiting(lanes, 5)
            assert value(suite, "lane_waiting_commands", lane="0") == 5
            assert value(suite, "lane_waiting_commands", lane="1") == 0
        await asyncio.gather(first, others)
        assert value(suite, "lane_waiting_commands", lane="0") == 0


async def test_the_configuration_in_force_is_known() -> None:
    async with ledger_suite() as suite:
        assert value(suite, "config_version") == 0
        await publish(suite, setting("a", 1))
        assert value(suite, "config_version") == 1


async def test_a_follower_tells_that_it_is_up_to_date_and_that_its_source_answers() -> None:
    async with ledger_suite("ledger", "mirror") as suite:
        await suite.lanes("ledger").submit([Move(account(0), 1)])
        await suite.drain()
        assert value(suite, "feed_behind_records", "mirror", source="ledger") == 0
        silence = value(suite, "feed_silence_seconds", "mirror", source="ledger")
        assert silence is not None
        assert 0 <= silence < 60
        assert value(suite, "feed_lag_seconds", "mirror", source="ledger") is None, "recorded_at is virtual"


class Feed:
    """A follower that is behind."""

    source = "ledger"
    lag = Lag(records_behind=3, oldest_at=datetime.now(UTC) - timedelta(minutes=5), heard_at=1.0)


class NoLanes:
    def depths(self) -> list[tuple[str, int]]:
        return []


def test_on_the_real_clock_lag_is_the_age_of_what_waits() -> None:
    registry = CollectorRegistry()
    lanes: Any = NoLanes()
    followers: Any = [Feed()]
    registry.register(ServiceGauges(lanes, followers, Configurations(lambda documents: None), virtual_clock=False))
    lag = registry.get_sample_value("feed_lag_seconds", {"source": "ledger"})
    assert lag is not None
    assert lag >= 300
    assert registry.get_sample_value("feed_behind_records", {"source": "ledger"}) == 3
