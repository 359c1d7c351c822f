"""Sealing: a partition is proved from its newest seal on, and what was proved is kept."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import structlog

from services.chassis.app import Platform
from services.chassis.clock import to_microseconds
from services.points.documents import PointsConfig
from services.points.ledger.event_rows import database_time
from services.points.ledger.proof import Proof
from services.points.ledger.verify import verify_partition
from services.points.seals import queries

_LOG = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sealing:
    """How far the sealing of a partition is, and in the end its newest seal as the table has it, if there is one."""

    proof: Proof
    seal: Any = None


async def seal_partition(
    platform: Platform[PointsConfig], partition: int, *, validate_only: bool = False
) -> AsyncIterator[Sealing]:
    """Prove a partition from its newest seal on, and seal it unless something does not hold; yields progress.

    The seal is written after the proof, of the snapshot that was proved: what was booked meanwhile is for the next one.
    """
    async with platform.long_reads() as connection:
        async for proof in verify_partition(connection, partition, from_seal=True, to_seal=True):
            if not proof.done:
                yield Sealing(proof)
    if not proof.findings and not validate_only and proof.position > proof.seal_position:
        await _write(platform, proof)
    seals = await queries.seals(platform.pool, partition)
    yield Sealing(proof, seals[-1] if seals else None)


async def _write(platform: Platform[PointsConfig], proof: Proof) -> None:
    sealed_at = await platform.clock.now()
    sealed_at_us = database_time(to_microseconds(sealed_at))
    assert sealed_at_us is not None, "there is no time of the domain in 1970"
    seal = proof.line.next_seal(proof.position, proof.chain_hash, sealed_at_us, proof.parts)
    async with platform.pool.acquire() as connection, connection.transaction():
        await queries.write(connection, proof.partition, seal, sealed_at, proof.parts)


async def seal_what_is_due(platform: Platform[PointsConfig], positions: int) -> None:
    """Seal every partition that has come so many positions since its newest seal; what does not hold is logged."""
    for partition in await queries.due_partitions(platform.pool, positions):
        findings = [sealing.proof.findings async for sealing in seal_partition(platform, partition)][-1]
        if findings:
            _LOG.error("the ledger does not hold, so it was not sealed", partition=partition, findings=findings)
