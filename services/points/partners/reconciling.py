"""Asking partners again, in real time, for what they have not answered: whatever crashed, one truth comes of it.

A conversion is left to the call that began it for a while, and then asked about, at first soon and later seldom. Every
process may do this, since asking twice makes no difference; when one starts it asks about everything.
"""

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prometheus_client import Gauge

from services.chassis.app import Platform
from services.points.documents import PointsConfig
from services.points.partners.legs import go_on
from services.points.partners.loading import how_many_open, waiting
from services.points.partners.values import OPEN

INTERVAL_S = 2.0
"""How often it is looked what waits."""
FIRST_PAUSE_S = 32.0
"""Longer than a call to a partner may take, so that the one that began it is over."""
LONGEST_PAUSE_S = 600.0
MAX_ASKED = 64
"""Conversions that are asked about at once; the others wait for the next time."""
MAX_KNOWN = 1_000
"""Conversions of a partition and state that are thought of, the oldest first: some hundred kilobytes."""
_LOG = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Pauses:
    """When each conversion that waits is asked about next, in seconds of a monotonic clock."""

    first_pause_s: float = FIRST_PAUSE_S
    _next: dict[UUID, tuple[float, float]] = field(default_factory=dict)
    """The instant, and the pause before it."""

    def due(self, waiting: set[UUID], now: float) -> list[UUID]:
        """Of those that wait, the ones to ask about, longest due first; what waits no more is forgotten."""
        self._next = {known: when for known, when in self._next.items() if known in waiting}
        for new in waiting - self._next.keys():
            self._next[new] = (now + self.first_pause_s, self.first_pause_s)
        return sorted((one for one, (at, _) in self._next.items() if at <= now), key=lambda one: self._next[one])

    def asked(self, conversion_id: UUID, now: float) -> None:
        """The next time is twice as far away."""
        pause = min(2 * max(self._next[conversion_id][1], INTERVAL_S), LONGEST_PAUSE_S)
        self._next[conversion_id] = (now + pause, pause)


async def reconcile(platform: Platform[PointsConfig], pauses: Pauses) -> None:
    """Ask about what is due."""
    found = await waiting(platform.pool, range(platform.settings.partitions), MAX_KNOWN)
    due = pauses.due(found, time.monotonic())[:MAX_ASKED]
    outcomes = await asyncio.gather(*(go_on(platform, one) for one in due), return_exceptions=True)
    for conversion_id, outcome in zip(due, outcomes, strict=True):
        pauses.asked(conversion_id, time.monotonic())
        if isinstance(outcome, Exception):
            _LOG.error("a conversion with a partner could not be gone on with", exc_info=outcome)


async def reconcile_always(platform: Platform[PointsConfig]) -> None:
    """Reconcile and measure, until cancelled."""
    registry = platform.telemetry.registry
    still_open = Gauge(
        "points_partner_conversions_open",
        "Conversions whose partner has not answered: started, or unknown after it was asked.",
        ["state"],
        registry=registry,
    )
    oldest = Gauge(
        "points_partner_conversions_oldest_age_seconds",
        "How long, in domain time, the oldest conversion waits for its partner.",
        registry=registry,
    )
    pauses = Pauses(first_pause_s=0)
    while True:
        try:
            await reconcile(platform, pauses)
            pauses.first_pause_s = FIRST_PAUSE_S
            await _measure(platform, still_open, oldest)
        except Exception:
            _LOG.exception("partners could not be asked; they are asked again")
        await asyncio.sleep(INTERVAL_S)


async def _measure(platform: Platform[PointsConfig], still_open: Gauge, oldest: Gauge) -> None:
    found = await how_many_open(platform.pool, range(platform.settings.partitions))
    for state in OPEN:
        still_open.labels(state.name.lower()).set(found[state][0] if state in found else 0)
    since = min((started_at for _, started_at in found.values()), default=None)
    oldest.set(0 if since is None else max(0.0, (await platform.clock.now() - since).total_seconds()))
