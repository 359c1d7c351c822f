"""What batches, lanes and feeds tell to whoever scrapes: measured once a batch, or only when somebody asks."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.chassis.configurations import Configurations
from services.chassis.follower import Follower
from services.chassis.lanes import Lanes

BATCH_BUCKETS_COMMANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
BATCH_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)
"""From a batch of one to the database's limit of a transaction."""


class BatchMeasurements:
    """Histograms of the batches that this process committed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._commands = Histogram(
            "batch_commands", "Commands that were written together.", buckets=BATCH_BUCKETS_COMMANDS, registry=registry
        )
        self._durations = Histogram(
            "batch_duration_seconds",
            "Time from asking for the heads to the answer of COMMIT.",
            buckets=BATCH_BUCKETS_S,
            registry=registry,
        )

    def record(self, commands: int, duration_s: float) -> None:
        """One batch was committed."""
        self._commands.observe(commands)
        self._durations.observe(duration_s)


class ServiceGauges(Collector):
    """Figures that are there anyway, read when somebody scrapes."""

    def __init__(
        self, lanes: Lanes, followers: Sequence[Follower], configurations: Configurations[Any], *, virtual_clock: bool
    ) -> None:
        self._lanes = lanes
        self._followers = followers
        self._configurations = configurations
        self._virtual_clock = virtual_clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as they are now."""
        waiting = GaugeMetricFamily("lane_waiting_commands", "Commands that wait in a lane.", labels=("lane",))
        for lane, depth in self._lanes.depths():
            waiting.add_metric((lane,), depth)
        yield waiting
        yield GaugeMetricFamily(
            "config_version",
            "The newest configuration version that this process has met.",
            self._configurations.newest_version,
        )
        yield from self._feeds()

    def _feeds(self) -> Iterator[GaugeMetricFamily]:
        behind = GaugeMetricFamily(
            "feed_behind_records", "Records of a feed that were read and not yet applied.", labels=("source",)
        )
        lag = GaugeMetricFamily(
            "feed_lag_seconds", "Age of the first record of a feed that was not yet applied.", labels=("source",)
        )
        silence = GaugeMetricFamily(
            "feed_silence_seconds",
            "Time since the feed's last answer, in the process that follows.",
            labels=("source",),
        )
        for follower in self._followers:
            seen = follower.lag
            behind.add_metric((follower.source,), seen.records_behind)
            if not self._virtual_clock:
                age_s = 0.0 if seen.oldest_at is None else (datetime.now(UTC) - seen.oldest_at).total_seconds()
                lag.add_metric((follower.source,), age_s)
            if seen.heard_at:
                silence.add_metric((follower.source,), time.monotonic() - seen.heard_at)
        yield from (behind, lag, silence)
