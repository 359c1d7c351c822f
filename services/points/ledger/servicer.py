"""Reading the books: sums and proof."""

from collections.abc import AsyncIterator

from services.chassis.app import Platform
from services.chassis.rpc import Call
from services.points.documents import PointsConfig
from services.points.ledger import queries
from services.points.ledger.verify import Proof, verify_partition
from tessera.points.v1 import points_service_pb2 as pb


class LedgerReads:
    """The methods of the contract that read the books."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def GetLedgerSummary(self, request: pb.GetLedgerSummaryRequest, call: Call) -> pb.GetLedgerSummaryResponse:
        """Sums by unit."""
        await self._platform.at_least.wait(request.at_least, call)
        counts = await queries.activity_sums(self._platform.pool)
        response = pb.GetLedgerSummaryResponse(activities=counts["activities"], lines=counts["lines"])
        for row in await queries.unit_sums(self._platform.pool):
            response.units.add(**dict(row))
        return response

    async def VerifyLedger(self, request: pb.VerifyLedgerRequest, call: Call) -> AsyncIterator[pb.VerifyLedgerResponse]:
        """Prove partition after partition."""
        partitions = range(self._platform.settings.partitions)
        wanted = [request.partition] if request.HasField("partition") else list(partitions)
        _, config = await self._platform.configurations.current(self._platform.pool)
        for partition in wanted:
            async with self._platform.long_reads() as connection:
                async for proof in verify_partition(connection, partition, config):
                    yield _progress(proof)


def _progress(proof: Proof) -> pb.VerifyLedgerResponse:
    return pb.VerifyLedgerResponse(
        partition=proof.partition,
        position=proof.position,
        head_position=proof.head_position,
        entries=proof.entries,
        findings=proof.findings,
        done=proof.done,
    )
