"""Sealing the ledger, and listing its seals."""

from collections.abc import AsyncIterator
from typing import Any

import structlog

from services.chassis.app import Platform
from services.chassis.errors import Refused
from services.chassis.instants import timestamp
from services.chassis.rpc import Call
from services.points import errors
from services.points.documents import PointsConfig
from services.points.seals import queries
from services.points.seals.sealing import Sealing, seal_partition
from tessera.points.v1 import seal_pb2 as pb

DEFAULT_SEALS = 100
_LOG = structlog.stdlib.get_logger(__name__)


class Seals:
    """The methods of the contract about seals."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def SealLedger(self, request: pb.SealLedgerRequest, call: Call) -> AsyncIterator[pb.SealLedgerResponse]:
        """Seal partition after partition."""
        partitions = self._check(request.partition)
        for partition in [request.partition] if request.HasField("partition") else partitions:
            told = 0
            async for sealing in seal_partition(self._platform, partition, validate_only=request.validate_only):
                yield _progress(sealing, told)
                told = len(sealing.proof.findings)

    def _check(self, partition: int) -> range:
        """All partitions, of which this is one."""
        partitions = range(self._platform.settings.partitions)
        if partition not in partitions:
            raise Refused(errors.partition_unknown(len(partitions)))
        return partitions

    async def TrimLedger(self, request: pb.TrimLedgerRequest, call: Call) -> pb.TrimLedgerResponse:
        """Remove what is archived."""
        self._check(request.partition)
        pool, partition, position = self._platform.pool, request.partition, request.position
        sealed = await queries.sealed_hash(pool, partition, position)
        if sealed is None:
            raise Refused(errors.ledger_not_sealed(await queries.newest_position(pool, partition)))
        if sealed != request.chain_hash:
            raise Refused(errors.archive_differs(position))
        if not request.validate_only:
            async with self._platform.long_reads() as connection:
                await queries.trim(connection, partition, position)
            _LOG.info("journal trimmed", partition=partition, position=position, caller=call.caller.name)
        return pb.TrimLedgerResponse(earliest_position=await queries.earliest_position(pool, partition))

    async def ListSeals(self, request: pb.ListSealsRequest, call: Call) -> pb.ListSealsResponse:
        """Seals of a partition, in order."""
        self._check(request.partition)
        limit = request.max_seals or DEFAULT_SEALS
        rows = await queries.seals(self._platform.pool, request.partition, request.after_position, limit)
        return pb.ListSealsResponse(seals=[_seal(request.partition, row) for row in rows])


def _progress(sealing: Sealing, told: int) -> pb.SealLedgerResponse:
    """How far it is, with the findings since the last report."""
    proof = sealing.proof
    return pb.SealLedgerResponse(
        partition=proof.partition,
        position=proof.position,
        head_position=proof.head_position,
        findings=proof.findings[told:],
        done=proof.done,
        seal=_seal(proof.partition, sealing.seal) if sealing.seal is not None else None,
    )


def _seal(partition: int, row: Any) -> pb.Seal:
    values = dict(row)
    return pb.Seal(partition=partition, sealed_at=timestamp(values.pop("sealed_at")), **values)
