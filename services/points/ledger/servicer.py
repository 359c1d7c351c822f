"""Reading the books: sums and proof."""

from collections import defaultdict
from collections.abc import AsyncIterator

import asyncpg

from services.chassis.app import Platform
from services.chassis.errors import Refused
from services.chassis.rpc import Call
from services.points import errors
from services.points.documents import PointsConfig
from services.points.ledger import queries
from services.points.ledger.laws import budget_findings
from services.points.ledger.proof import Proof
from services.points.ledger.verify import verify_partition
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
        try:
            units = await queries.unit_sums(self._platform.pool)
        except asyncpg.NumericValueOutOfRangeError:
            raise Refused(errors.amount_out_of_range("a sum of the ledger")) from None
        for row in units:
            response.units.add(**dict(row))
        return response

    async def VerifyLedger(self, request: pb.VerifyLedgerRequest, call: Call) -> AsyncIterator[pb.VerifyLedgerResponse]:
        """Prove partition after partition."""
        partitions = range(self._platform.settings.partitions)
        if request.partition not in partitions:
            raise Refused(errors.partition_unknown(len(partitions)))
        found: dict[int, list[str]] = defaultdict(list)
        if not request.HasField("partition"):
            # What partitions have of budgets, against what the pools gave.
            budgets = await queries.budgets_of_all(self._platform.pool)
            for home, finding in budget_findings(budgets, len(partitions)):
                found[home].append(finding)
            async with self._platform.long_reads() as connection:
                for partition, spend_id in await queries.contributions_of_all(connection):
                    found[partition].append(f"spend {spend_id}: is not what its pooled spend says of it")
        for partition in [request.partition] if request.HasField("partition") else partitions:
            told = 0
            async with self._platform.long_reads() as connection:
                async for proof in verify_partition(
                    connection, partition, found[partition], from_seal=request.from_seal
                ):
                    yield _progress(proof, told)
                    told = len(proof.findings)


def _progress(proof: Proof, told: int) -> pb.VerifyLedgerResponse:
    """How far a proof is, with the findings since the last report."""
    return pb.VerifyLedgerResponse(
        partition=proof.partition,
        position=proof.position,
        head_position=proof.head_position,
        entries=proof.entries,
        findings=proof.findings[told:],
        done=proof.done,
        seal_position=proof.seal_position,
    )
