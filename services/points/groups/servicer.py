"""Reading what groups have."""

from services.chassis.app import Platform
from services.chassis.errors import Refused, Rejection
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from services.points import wire
from services.points.documents import PointsConfig
from services.points.errors import amount_out_of_range
from services.points.groups import errors, loading, rules
from services.points.groups.operations import pooled_unit
from services.points.groups.values import GROUP
from services.points.merges.persons import persons_of
from services.points.requests import decode
from services.points.specs import MAX_AMOUNT
from services.points.wallets import reads
from services.points.wallets.lots import settle
from tessera.points.v1 import group_pb2 as pb


class GroupReads:
    """The methods of the contract that read what groups have."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def GetPoolBalance(self, request: pb.GetPoolBalanceRequest, call: Call) -> pb.GetPoolBalanceResponse:
        """What a group can spend, and what each of its members has of it."""
        await self._platform.at_least.wait(request.at_least, call)
        _, config = await self._platform.configurations.current(self._platform.pool)
        unit = pooled_unit(request.unit, config)
        if isinstance(unit, Rejection):
            raise Refused(unit)
        group_id, partitions = decode(GROUP, request.group_id, "group_id"), self._platform.settings.partitions
        now = await self._platform.clock.now()
        async with (
            self._platform.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            seats = await loading.seats(connection, partition_of(group_id, partitions), group_id)
            if not seats:
                raise Refused(errors.group_unknown(request.group_id))
            if not seats[0].shares_points:
                raise Refused(errors.group_shares_no_points(request.group_id))
            members = [seat.member_id for seat in seats]
            places = [partition_of(member_id, partitions) for member_id in members]
            served = await loading.served(connection, places, members)
            persons = await persons_of(connection, members, partitions)
            everybody = sorted({each for person in persons.values() for each in person})
            places = [partition_of(each, partitions) for each in everybody]
            wallets = await reads.pooled_wallets(connection, places, everybody, now, now)
        response = pb.GetPoolBalanceResponse()
        for seat in seats:
            gives = seat.member_id in served
            person = persons[seat.member_id] if gives else ()
            own = [wallet for each in person if (wallet := wallets[each].get(request.unit)) is not None]
            for wallet in own:
                settle(wallet, now)
            available = rules.given_by_person(own, now, request.merchant or None)
            response.members.add(
                member_id=wire.member_id(seat.member_id), role=seat.role, available=available, contributes=gives
            )
        total = sum(member.available for member in response.members)
        if total > MAX_AMOUNT:
            raise Refused(amount_out_of_range("what the group has"))
        response.available = total
        return response
