"""Orders that two members had both reported before they were merged: the one that was booked later is taken back.

That may mean to read all that both ever did, so it is done beside the calls, without a lock, once for each merge;
whatever crashes, it is begun again, and an order is taken back once. Source: cases.md E68.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import structlog

from services.chassis import idempotency, ids
from services.chassis.access import ALL, Caller
from services.chassis.app import Platform
from services.chassis.operations import Command
from services.chassis.partitions import partition_of
from services.chassis.verdicts import OK
from services.points import wire
from services.points.commands import ReverseActivity
from services.points.documents import PointsConfig
from services.points.merges import queries
from services.points.merges.commands import NoteChecked
from services.points.merges.persons import persons_of
from services.points.merges.values import Merge

INTERVAL_S = 0.2
"""How often it is looked for merges that nobody has looked at."""
MAX_MERGES = 16
POINTS = Caller("points", frozenset(), ALL)
_LOG = structlog.stdlib.get_logger(__name__)

Order = tuple[str, str, str]
"""Domain, type and reference."""


async def take_duplicates_back(platform: Platform[PointsConfig]) -> None:
    """Look after merges, until cancelled."""
    while True:
        try:
            for merge in await queries.unchecked(platform.pool, range(platform.settings.partitions), MAX_MERGES):
                await _look_after(platform, merge)
        except Exception:
            _LOG.exception("orders that were reported twice could not be looked for; it is tried again")
        await asyncio.sleep(INTERVAL_S)


async def _look_after(platform: Platform[PointsConfig], merge: Merge) -> None:
    """Take back what both sides of a merge had reported, and note that it is done."""
    partitions = platform.settings.partitions
    person = (await persons_of(platform.pool, [merge.survivor_id], partitions))[merge.survivor_id]
    merged = [each for each in person if each in merge.merged_ids]
    others = [each for each in person if each not in merge.merged_ids]
    reported = await _orders(platform, merged) if merged else {}
    known = await _orders(platform, others) if reported else {}
    for order in sorted(reported.keys() & known.keys()):
        (_, first), (_, later) = sorted([reported[order], known[order]])
        await _submit(platform, _reversal(merge.merge_id, later, first))
    await _submit(platform, NoteChecked(merge))


async def _orders(platform: Platform[PointsConfig], members: Iterable[UUID]) -> dict[Order, tuple[datetime, UUID]]:
    """What members reported, by order: when it was recorded first, and as which activity."""
    found: dict[Order, tuple[datetime, UUID]] = {}
    async with platform.long_reads() as connection:
        for member_id in members:
            place = partition_of(member_id, platform.settings.partitions)
            async for activity_id, body, recorded_at in queries.orders(connection, place, member_id):
                activity = wire.activity_of(body)
                order = (activity.domain, activity.type, activity.reference)
                if order not in found or (recorded_at, activity_id) < found[order]:
                    found[order] = (recorded_at, activity_id)
    return found


def _reversal(merge_id: UUID, activity_id: UUID, kept: UUID) -> ReverseActivity:
    request_id = f"{ids.encode('merge', merge_id)} {wire.activity_id(activity_id)} {wire.activity_id(kept)}"
    identified = idempotency.identify_body(POINTS.name, "points.ReverseDuplicate", request_id, b"")
    return ReverseActivity(identified, activity_id, POINTS, validate_only=False)


async def _submit(platform: Platform[PointsConfig], command: Command) -> None:
    """Submit a command; a refusal is a fact too, and only a failure means to begin again."""
    verdict = await platform.lanes.one(command)
    if verdict.code != OK and not verdict.keep:
        raise RuntimeError(f"not now: {verdict.status()}")
