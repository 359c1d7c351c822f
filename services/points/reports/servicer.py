"""Reports on the whole population: what is owed, and every entry."""

from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg

from services.chassis.app import Platform
from services.chassis.errors import Refused
from services.chassis.feed import read_heads
from services.chassis.rpc import Call
from services.points import errors, wire
from services.points.documents import PointsConfig
from services.points.reports import export, queries
from services.points.reports.export import START, Place, fill_exported, place_of
from services.points.reports.liability import Owed
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2


class Reports:
    """The methods of the contract that report on all members."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def GetLiability(self, request: pb.GetLiabilityRequest, call: Call) -> AsyncIterator[pb.GetLiabilityResponse]:
        """Sums over all partitions, read one after the other, each in one snapshot."""
        await self._platform.at_least.wait(request.at_least, call)
        _, config = await self._platform.configurations.current(self._platform.pool)
        zones = {code: unit.zone.key for code, unit in config.units.items()}
        owed = Owed()
        try:
            positions = await self._add_up(owed, request.unit, zones)
        except asyncpg.NumericValueOutOfRangeError:
            raise Refused(errors.amount_out_of_range("a sum of what is owed")) from None
        if owed.is_empty and request.unit and request.unit not in config.units:
            raise Refused(errors.unit_unknown(request.unit))
        if not owed.is_in_range:
            raise Refused(errors.amount_out_of_range("a sum of what is owed"))
        yield pb.GetLiabilityResponse(positions=positions)
        for answer in owed.answers():
            yield answer

    async def _add_up(self, owed: Owed, unit: str, zones: Mapping[str, str]) -> list[position_pb2.Position]:
        """Add up all partitions; returns where they stood."""
        now, positions = await self._platform.clock.now(), []
        async with self._platform.long_reads() as connection:
            for partition in range(self._platform.settings.partitions):
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    at = await queries.head_position(connection, partition)
                    lines = await queries.liability(connection, partition, zones, unit, now)
                    owed.add(lines, await queries.receivables(connection, partition, unit))
                positions.append(position_pb2.Position(service=wire.SERVICE, partition=partition, position=at))
        return positions

    async def ExportEntries(
        self, request: pb.ExportEntriesRequest, call: Call
    ) -> AsyncIterator[pb.ExportEntriesResponse]:
        """Entries, partition after partition, from the token's place on up to its heads."""
        await self._platform.at_least.wait(request.at_least, call)
        partitions = range(self._platform.settings.partitions)
        if request.partition not in partitions:
            raise Refused(errors.partition_unknown(len(partitions)))
        tokens, pool = self._platform.page_tokens, self._platform.pool
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        first, after, heads = _places(cursor) if cursor else (0, START, await self._heads())
        for partition in [request.partition] if request.HasField("partition") else partitions[first:]:
            async for entries in export.chunks(pool, partition, after, heads[partition]):
                response = pb.ExportEntriesResponse(partition=partition, head_position=heads[partition])
                for entry in entries:
                    fill_exported(response.entries.add(), entry, partition)
                place = (partition, *place_of(entries[-1]), *heads)
                response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
                yield response
            after = START
        yield pb.ExportEntriesResponse()

    async def _heads(self) -> Sequence[int]:
        """Where the partitions stand, all at the same instant."""
        heads = await read_heads(self._platform.pool)
        return [heads[partition] for partition in range(self._platform.settings.partitions)]


def _places(cursor: Sequence[str | int]) -> tuple[int, Place, Sequence[int]]:
    """The partition and place that a token goes on after, and the positions up to which it exports."""
    partition, position, ordinal, *heads = map(int, cursor)
    return partition, Place(position, ordinal), heads
