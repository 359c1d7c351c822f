"""Tracing points: from a lot to its uses, and from a spend to its lots."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.database import Connection
from services.chassis.errors import Refused
from services.chassis.instants import timestamp
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from services.points import errors, wire
from services.points.documents import PointsConfig
from services.points.groups.loading import pooled_spend
from services.points.groups.values import PooledSpend
from services.points.groups.wire import traced_pooled_spend
from services.points.piles import EARLIEST, expiry_of
from services.points.requests import decode
from services.points.traces import queries
from services.points.traces.values import User
from services.points.values import Balance, EntryKind, Lot
from services.points.wallets import reads
from services.points.wallets.wire import SOURCES, fill_lot
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2

DEFAULT_PAGE = 100
_FIRST = (EARLIEST, UUID(int=0))
_LOT_VALUES = len(Lot._fields)


class Traces:
    """The methods of the contract that trace points."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def TraceLot(self, request: pb.TraceLotRequest, call: Call) -> pb.TraceLotResponse:
        """A lot, and a page of what used it."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id, lot_id = decode("member", request.member_id, "member_id"), decode("lot", request.lot_id, "lot_id")
        partition = self._partition_of(member_id)
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        after = _use_cursor(tokens.decode(request.page_token, call.method, call.caller.name, request))
        async with self._snapshot() as connection:
            row = await queries.lot(connection, partition, member_id, lot_id)
            if row is None:
                raise Refused(errors.lot_unknown(request.lot_id))
            sums = await queries.sums(connection, partition, member_id, lot_id)
            openers = await reads.openers(connection, partition, member_id, [row["source_id"]])
            uses = await queries.uses(connection, partition, member_id, lot_id, after, size + 1)
        response = _traced_lot(Lot(*row[:_LOT_VALUES]), Balance(*row[_LOT_VALUES:]), sums, openers)
        for use in uses[:size]:
            _fill_use(response.uses.add(), *use)
        if len(uses) > size:
            place = (uses[size - 1]["used_at"].isoformat(), str(uses[size - 1]["source_id"]))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def TraceSpend(self, request: pb.TraceSpendRequest, call: Call) -> pb.TraceSpendResponse:
        """What a spend or a hold used."""
        await self._platform.at_least.wait(request.at_least, call)
        async with self._snapshot() as connection:
            used = await self._traced(connection, request)
            users = self._users(used)
            lots = await queries.used_lots(connection, users)
            refunds = await queries.refunds(connection, users)
        if isinstance(used, PooledSpend):
            response, burnt = traced_pooled_spend(used, lots)
        else:
            response, burnt = _traced_spend(used), lots[used["user_id"]]
        for lot in burnt:
            _fill_used_lot(response.lots.add(), *lot)
        response.fundings.extend(_fundings(response.lots))
        for refund in refunds:
            _fill_refund(response.refunds.add(), *refund)
        return response

    async def _traced(self, connection: Connection, request: pb.TraceSpendRequest) -> Any:
        """The spend or hold asked for, or the pooled spend."""
        if request.HasField("spend_id"):
            spend_id = decode("spend", request.spend_id, "spend_id")
            partition = self._partition_of(spend_id)
            used = await queries.spend(connection, partition, spend_id)
            used = used or await pooled_spend(connection, partition, spend_id)
            unknown = errors.spend_unknown(request.spend_id)
        else:
            hold_id = decode("hold", request.hold_id, "hold_id")
            used = await queries.hold(connection, self._partition_of(hold_id), hold_id)
            unknown = errors.hold_unknown(request.hold_id)
        if used is None:
            raise Refused(unknown)
        return used

    def _users(self, used: Any) -> list[User]:
        """Under what the lots were used: itself, or each spend that a pooled spend made one."""
        if not isinstance(used, PooledSpend):
            return [User(self._partition_of(used["user_id"]), used["user_id"], used["member_id"])]
        spends = {one.spend_id: one.member_id for one in used.contributions}
        return [User(self._partition_of(spend_id), spend_id, member) for spend_id, member in spends.items()]

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        """A connection whose statements all see the same instant."""
        async with (
            self._platform.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    def _partition_of(self, value: UUID) -> int:
        return partition_of(value, self._platform.settings.partitions)


def _use_cursor(cursor: tuple[str | int, ...] | None) -> tuple[datetime, UUID]:
    if not cursor:
        return _FIRST
    used_at, source_id = map(str, cursor)
    return datetime.fromisoformat(used_at), UUID(source_id)


def _traced_lot(
    lot: Lot, balance: Balance, sums: Mapping[str, int], openers: Mapping[UUID, EntryKind]
) -> pb.TraceLotResponse:
    response = pb.TraceLotResponse(
        account_id=wire.account_id(lot.account_id) if lot.account_id is not None else "",
        origin_lot_id=wire.lot_id(lot.origin_lot) if lot.origin_lot is not None else "",
        spent=sums.get("entry", 0),
        clawed_back=sums.get("clawback", 0),
        expired=lot.expired,
        restored=sums.get("lot", 0),
    )
    fill_lot(response.lot, lot, expiry_of(lot, balance), openers[lot.source_id])
    return response


def _fill_use(
    message: pb.TraceLotResponse.Use,
    what: str,
    kind: int,
    source_id: UUID,
    amount: int,
    refunded: int,
    used_at: datetime,
    is_open: bool,
) -> None:
    message.source_id = ids.encode(SOURCES[kind] if kind else what, source_id)
    message.amount = amount
    message.refunded = refunded
    message.used_at.CopyFrom(timestamp(used_at))
    message.is_open = is_open


def _traced_spend(used: Any) -> pb.TraceSpendResponse:
    return pb.TraceSpendResponse(
        member_id=wire.member_id(used["member_id"]),
        account_id=wire.account_id(used["account_id"]),
        domain=used["domain"],
        unit=used["unit"],
        reference=used["reference"],
        amount=used["amount"],
        refunded=used["refunded"],
        used_at=timestamp(used["used_at"]),
        state=used["state"],
        captured=used["captured"],
        pooled_spend_id=wire.spend_id(used["pooled_spend_id"]) if used["pooled_spend_id"] is not None else "",
    )


def _fill_used_lot(
    message: pb.TraceSpendResponse.UsedLot,
    lot_id: UUID,
    amount: int,
    refunded: int,
    funder: str,
    source_id: UUID,
    origin_lot: UUID | None,
) -> None:
    message.lot_id = wire.lot_id(lot_id)
    message.amount = amount
    message.refunded = refunded
    message.funder = funder
    if source_id.version == ids.HASHED_VERSION:
        message.activity_id = wire.activity_id(source_id)
    message.origin_lot_id = wire.lot_id(origin_lot) if origin_lot is not None else ""


def _fundings(lots: Iterable[pb.TraceSpendResponse.UsedLot]) -> list[pb.TraceSpendResponse.Funding]:
    """What each funder's lots gave, in the order of the funders' codes."""
    fundings: dict[str, pb.TraceSpendResponse.Funding] = {}
    for lot in lots:
        funding = fundings.setdefault(lot.funder, pb.TraceSpendResponse.Funding(funder=lot.funder))
        funding.amount += lot.amount
        funding.refunded += lot.refunded
    return [fundings[funder] for funder in sorted(fundings)]


def _fill_refund(
    message: pb.TraceSpendResponse.Refund,
    partition: int,
    position: int,
    effective_at: datetime,
    amount: int,
    expired: int,
) -> None:
    message.amount = amount
    message.expired = expired
    message.refunded_at.CopyFrom(timestamp(effective_at))
    message.position.CopyFrom(position_pb2.Position(service=wire.SERVICE, partition=partition, position=position))
