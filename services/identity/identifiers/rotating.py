"""How keys are replaced while calls are served: what is found by an older version is found by the one that writes.

1. Every process is told the new key beside the old one, which still writes: from then on all find under both.
2. Every process is told that the new one writes. This job hashes again what is found by an older version.
3. Every process is told the new key alone. None starts while identifiers are found by a version that it does not know.
"""

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog

from services.chassis.app import Platform
from services.chassis.database import UnfitDatabase
from services.chassis.verdicts import OK, Verdict
from services.identity.identifiers import queries
from services.identity.identifiers.commands import Reindex
from services.identity.identifiers.keys import IndexKeys
from services.identity.identifiers.values import NOWHERE, ValueIndex
from services.identity.keys.keyring import Keyring, Keys
from services.identity.keys.values import Wrapped
from services.identity.settings import MAX_VERSION
from services.identity.values import Config

CHUNK = 200
"""Identifiers of a partition that are hashed again together: each is three rows."""
INTERVAL_S = 60
_LOG = structlog.stdlib.get_logger(__name__)


async def check_versions(pool: asyncpg.Pool, partitions: int, keys: IndexKeys) -> None:
    """Raises UnfitDatabase when identifiers are found by a version of the keys that is missing."""
    missed = await queries.versions_missed(pool, partitions, keys.versions, MAX_VERSION)
    if missed:
        raise UnfitDatabase(
            f"identifiers are found by version(s) {', '.join(map(str, missed))} of the keys, "
            "which TESSERA_IDENTIFIER_KEYS does not have"
        )


async def rotate_always(platform: Platform[Config], keyring: Keyring, keys: IndexKeys) -> None:
    """Hash again what has to be, until cancelled."""
    while True:
        try:
            await rotate(platform, keyring, keys)
        except Exception:
            _LOG.exception("identifiers could not be hashed again; it is tried again")
        await asyncio.sleep(INTERVAL_S)


async def rotate(platform: Platform[Config], keyring: Keyring, keys: IndexKeys) -> None:
    """Hash again all that is found by an older version than the one that writes. Safe to run twice, or break off."""
    for partition in range(platform.settings.partitions):
        while found := await queries.outdated(platform.pool, partition, keys.writing, CHUNK):
            for outcome in await platform.lanes.submit(await _again(found, keyring, keys)):
                if not isinstance(outcome, Verdict):
                    raise outcome
                assert outcome.code == OK, "it is never refused"
    for partition in range(platform.settings.partitions):
        await queries.forget_removed(platform.pool, partition)


async def _again(rows: Sequence[asyncpg.Record], keyring: Keyring, keys: IndexKeys) -> list[Reindex]:
    """The commands to hash identifiers again. The values of those that were removed are destroyed."""
    kept = [row for row in rows if row["value"]]
    boxes = await keyring.unwrapped({row["member_id"]: Wrapped(row["wrapped_by"], row["data_key"]) for row in kept})
    return [_reindexed(row, boxes, keys) for row in rows]


def _reindexed(row: asyncpg.Record, boxes: Keys, keys: IndexKeys) -> Reindex:
    index = ValueIndex(keys.writing, NOWHERE)
    if row["value"]:
        value = boxes[row["member_id"]].open(row["value"], row["identifier_id"].bytes).decode()
        index = keys.indexes(row["type"], value)[0]
    return Reindex(row["member_id"], row["identifier_id"], row["blind_index"], index)
