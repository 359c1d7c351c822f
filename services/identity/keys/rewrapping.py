"""How a master key is replaced while calls are served: what an older version wraps is wrapped by the one that writes.

1. Every process is told the new key beside the old one, which still writes: from then on all unwrap both.
2. Every process is told that the new one writes. This job wraps again what an older version wraps.
3. Every process is told the new key alone. None starts while a version wraps data keys that it does not know.
"""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import asyncpg
import structlog

from services.chassis.app import Platform
from services.chassis.database import UnfitDatabase
from services.chassis.verdicts import OK, Verdict
from services.identity.commands import Rewrap
from services.identity.keys import queries
from services.identity.keys.keyring import available
from services.identity.keys.values import Wrapped
from services.identity.keys.wrapping import KeyWrapper
from services.identity.settings import MAX_VERSION
from services.identity.values import Config

CHUNK = 200
"""Data keys of a partition that are wrapped again together: each is one row."""
INTERVAL_S = 60
_LOG = structlog.stdlib.get_logger(__name__)


async def check_master_keys(pool: asyncpg.Pool, partitions: int, wrapper: KeyWrapper) -> None:
    """Raises UnfitDatabase when a version of the master keys is missing that wraps data keys."""
    missed = await queries.versions_missed(pool, partitions, wrapper.versions, MAX_VERSION)
    if missed:
        raise UnfitDatabase(
            f"data keys are wrapped by version(s) {', '.join(map(str, missed))} of the master keys, "
            "which this process does not have"
        )


async def rewrap_always(platform: Platform[Config], wrapper: KeyWrapper) -> None:
    """Wrap again what has to be, until cancelled."""
    while True:
        try:
            await rewrap(platform, wrapper)
        except Exception:
            _LOG.exception("data keys could not be wrapped again; it is tried again")
        await asyncio.sleep(INTERVAL_S)


async def rewrap(platform: Platform[Config], wrapper: KeyWrapper) -> None:
    """Wrap again all that an older version wraps than the one that writes. Safe to run twice, or break off."""
    for partition in range(platform.settings.partitions):
        while found := await queries.outdated(platform.pool, partition, wrapper.writing, CHUNK):
            for outcome in await platform.lanes.submit(await _again(found, wrapper)):
                if not isinstance(outcome, Verdict):
                    raise outcome
                assert outcome.code == OK, "it is never refused"


async def _again(found: Mapping[UUID, Wrapped], wrapper: KeyWrapper) -> list[Rewrap]:
    """The commands to keep data keys as the version that writes wraps them."""
    members = [member_id.bytes for member_id in found]
    keys = await available(wrapper.unwrap(list(zip(members, found.values(), strict=True))))
    wrapped = await available(wrapper.wrap(list(zip(members, keys, strict=True))))
    return [Rewrap(member_id, before, after) for (member_id, before), after in zip(found.items(), wrapped, strict=True)]
