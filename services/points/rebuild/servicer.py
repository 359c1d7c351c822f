"""Rebuilding the ledger's tables."""

from collections.abc import AsyncIterator

import structlog

from services.chassis.app import Platform
from services.chassis.errors import Refused
from services.chassis.rpc import Call
from services.points import errors
from services.points.documents import PointsConfig
from services.points.rebuild.rebuilding import Rebuilding, rebuild_partition
from tessera.points.v1 import rebuild_pb2 as pb

_LOG = structlog.stdlib.get_logger(__name__)


class Rebuilds:
    """The method of the contract that rebuilds."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def RebuildLedger(
        self, request: pb.RebuildLedgerRequest, call: Call
    ) -> AsyncIterator[pb.RebuildLedgerResponse]:
        """Rebuild partition after partition."""
        partitions = range(self._platform.settings.partitions)
        if request.partition not in partitions:
            raise Refused(errors.partition_unknown(len(partitions)))
        for partition in [request.partition] if request.HasField("partition") else partitions:
            async for rebuilding in rebuild_partition(self._platform, partition, write=request.write):
                yield _progress(rebuilding)
            if rebuilding.repaired:
                repaired = {"rows": rebuilding.repaired, "differences": rebuilding.differences}
                _LOG.warning("ledger put right", partition=partition, caller=call.caller.name, **repaired)


def _progress(rebuilding: Rebuilding) -> pb.RebuildLedgerResponse:
    return pb.RebuildLedgerResponse(
        partition=rebuilding.partition,
        position=rebuilding.position,
        head_position=rebuilding.head_position,
        difference_count=rebuilding.count,
        differences=rebuilding.differences if rebuilding.done else (),
        repaired=rebuilding.repaired,
        done=rebuilding.done,
    )
