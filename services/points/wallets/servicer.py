"""Reading wallets: balances, entries, lots."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.database import Connection
from services.chassis.errors import Refused, Rejection, to_status
from services.chassis.instants import checked_instant, timestamp
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from services.chassis.validation import item_rejection
from services.points import errors, wire
from services.points.documents import PointsConfig
from services.points.requests import decode
from services.points.values import UNTIL_COMPLETED, Lot, Wallet
from services.points.wallets import reads
from services.points.wallets.balances import (
    FIRST_PLACE,
    NOTHING,
    BalanceView,
    LotPlace,
    Past,
    balance_at,
    balance_in_past,
    lots_page,
    place_of,
)
from services.points.wallets.lots import NEVER, expiry_of
from tessera.points.v1 import event_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2

DEFAULT_PAGE = 100
_NEWEST = (1 << 62, 0)


class WalletReads:
    """The methods of the contract that read wallets."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform
        self._partitions = platform.settings.partitions

    async def GetBalance(self, request: pb.GetBalanceRequest, call: Call) -> pb.GetBalanceResponse:
        """One member's balances."""
        await self._platform.at_least.wait(request.at_least, call)
        (found,) = await self._balances((request,))
        if isinstance(found, Rejection):
            raise Refused(found)
        return found

    async def BulkGetBalances(self, request: pb.BulkGetBalancesRequest, call: Call) -> pb.BulkGetBalancesResponse:
        """Many members' balances."""
        await self._platform.at_least.wait(request.at_least, call)
        rejections = [item_rejection(item) for item in request.requests]
        readable = [item for item, no in zip(request.requests, rejections, strict=True) if no is None]
        found = iter(await self._balances(readable))
        response = pb.BulkGetBalancesResponse()
        for rejection in rejections:
            outcome = rejection or next(found)
            result = response.results.add()
            if isinstance(outcome, Rejection):
                result.error.CopyFrom(to_status(outcome, "points.tessera"))
            else:
                result.response.CopyFrom(outcome)
        return response

    async def _balances(self, requests: Sequence[pb.GetBalanceRequest]) -> list[pb.GetBalanceResponse | Rejection]:
        """Balances for each request, in order; all are read from one snapshot."""
        _, config = await self._platform.configurations.current(self._platform.pool)
        questions = [_question(request, config) for request in requests]
        asked = [question for question in questions if isinstance(question, _Question)]
        now = await self._platform.clock.now()
        members = sorted({question.member_id for question in asked})
        past_instants = {question.at for question in asked if question.at is not None and question.at < now}
        async with self._snapshot() as connection:
            wallets = await reads.wallets(connection, self._partitions_of(members), members)
            pasts = {at: await self._past(connection, asked, at) for at in sorted(past_instants)}
        return [
            question if isinstance(question, Rejection) else _answer(question, wallets, pasts, now)
            for question in questions
        ]

    async def _past(
        self, connection: Connection, asked: Sequence["_Question"], at: datetime
    ) -> dict[tuple[UUID, str], Past]:
        members = sorted({question.member_id for question in asked if question.at == at})
        return await reads.past(connection, self._partitions_of(members), members, at)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        """A connection whose statements all see the same instant."""
        async with (
            self._platform.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    def _partitions_of(self, member_ids: Sequence[UUID]) -> list[int]:
        return [partition_of(member_id, self._partitions) for member_id in member_ids]

    async def ListEntries(self, request: pb.ListEntriesRequest, call: Call) -> pb.ListEntriesResponse:
        """A page of entries."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id = await self._known(request.member_id)
        await self._check_unit(request.unit)
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        before = (int(cursor[0]), int(cursor[1])) if cursor else _NEWEST
        partition = partition_of(member_id, self._partitions)
        rows = await reads.entries(self._platform.pool, partition, member_id, request.unit, before, size + 1)
        response = pb.ListEntriesResponse()
        for row in rows[:size]:
            _fill_entry(response.entries.add(), row, partition)
        if len(rows) > size:
            last = rows[size - 1]
            response.next_page_token = tokens.encode(
                call.method, call.caller.name, request, (last["position"], last["ordinal"])
            )
        return response

    async def ListLots(self, request: pb.ListLotsRequest, call: Call) -> pb.ListLotsResponse:
        """A page of lots."""
        await self._platform.at_least.wait(request.at_least, call)
        member_id = await self._known(request.member_id)
        await self._check_unit(request.unit)
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        after = _lot_cursor(tokens.decode(request.page_token, call.method, call.caller.name, request))
        now = await self._platform.clock.now()
        async with self._snapshot() as connection:
            (partition,) = self._partitions_of([member_id])
            wallets = await reads.wallets(connection, [partition], [member_id])
            wallet = wallets[member_id].get(request.unit)
            if wallet is None:
                return pb.ListLotsResponse()
            booked = (
                await reads.lots(connection, partition, member_id, request.unit, after, size + 1)
                if request.include_closed
                else None
            )
        page = lots_page(wallet, booked, now, after)
        response = pb.ListLotsResponse()
        for lot in page[:size]:
            _fill_lot(response.lots.add(), lot, expiry_of(lot, wallet.balance))
        if len(page) > size:
            gone_at, available_at, lot_id = place_of(page[size - 1], wallet.balance)
            place = (gone_at.isoformat(), available_at.isoformat(), str(lot_id))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def _known(self, text: str) -> UUID:
        member_id = decode("member", text, "member_id")
        if not await reads.known_members(self._platform.pool, self._partitions_of([member_id]), [member_id]):
            raise Refused(errors.member_unknown(text))
        return member_id

    async def _check_unit(self, unit: str) -> None:
        _, config = await self._platform.configurations.current(self._platform.pool)
        if unit and unit not in config.units:
            raise Refused(errors.unit_unknown(unit))


@dataclass(frozen=True, slots=True)
class _Question:
    """Whose balances of which units, now (None) or at an instant."""

    member_id: UUID
    units: Sequence[str]
    at: datetime | None


def _question(request: pb.GetBalanceRequest, config: PointsConfig) -> "_Question | Rejection":
    try:
        member_id = decode("member", request.member_id, "member_id")
        at = checked_instant(request.effective_at, "effective_at") if request.HasField("effective_at") else None
    except Refused as error:
        return error.rejection
    if request.unit and request.unit not in config.units:
        return errors.unit_unknown(request.unit)
    return _Question(member_id, [request.unit] if request.unit else sorted(config.units), at)


def _answer(
    question: _Question,
    wallets: reads.Wallets,
    pasts: Mapping[datetime, Mapping[tuple[UUID, str], Past]],
    now: datetime,
) -> pb.GetBalanceResponse | Rejection:
    of_member = wallets.get(question.member_id)
    if of_member is None:
        return errors.member_unknown(wire.member_id(question.member_id))
    response = pb.GetBalanceResponse()
    for unit in question.units:
        wallet = of_member.get(unit)
        view = NOTHING if wallet is None else _view(wallet, question.at, pasts, now)
        balance = response.balances.add(unit=unit, available=view.available, pending=view.pending, held=view.held)
        for expires_at, amount in view.expiries:
            balance.expiries.add(expires_at=timestamp(expires_at), amount=amount)
    return response


def _view(
    wallet: Wallet, at: datetime | None, pasts: Mapping[datetime, Mapping[tuple[UUID, str], Past]], now: datetime
) -> BalanceView:
    if at is None or at not in pasts:
        return balance_at(wallet, at or now)
    past = pasts[at].get((wallet.member_id, wallet.unit))
    return NOTHING if past is None else balance_in_past(past, wallet, at, now)


def _fill_entry(entry: pb.Entry, row: Any, partition: int) -> None:
    unit, kind, amount, balance_after, counterparty, effective_at, recorded_at, account_id, source_id, level = row[2:]
    entry.unit = unit
    entry.kind = event_pb2.EntryKind.ValueType(kind)
    entry.amount = amount
    entry.balance_after = balance_after
    entry.counterparty = counterparty
    entry.effective_at.CopyFrom(timestamp(effective_at))
    entry.recorded_at.CopyFrom(timestamp(recorded_at))
    entry.account_id = wire.account_id(account_id) if account_id is not None else ""
    entry.source_id = ids.encode(_SOURCES[kind], source_id)
    entry.level = level
    entry.position.CopyFrom(position_pb2.Position(service=wire.SERVICE, partition=partition, position=row[0]))


_SOURCES = {
    event_pb2.ENTRY_KIND_EARN: "activity",
    event_pb2.ENTRY_KIND_SPEND: "spend",
    event_pb2.ENTRY_KIND_REFUND: "spend",
    event_pb2.ENTRY_KIND_EXPIRE: "lot",
    event_pb2.ENTRY_KIND_REFUND_EXPIRED: "spend",
    event_pb2.ENTRY_KIND_CLAWBACK: "activity",
    event_pb2.ENTRY_KIND_FORGIVE: "activity",
    event_pb2.ENTRY_KIND_CASH_DEDUCTION: "activity",
}


def _fill_lot(message: pb.Lot, lot: Lot, gone_at: datetime) -> None:
    message.lot_id = wire.lot_id(lot.lot_id)
    message.unit = lot.unit
    message.amount = lot.amount
    message.remaining = lot.remaining
    message.held = lot.held
    if lot.available_at == UNTIL_COMPLETED:
        message.until_completed = True
    else:
        message.available_at.CopyFrom(timestamp(lot.available_at))
    if gone_at not in (NEVER, UNTIL_COMPLETED):
        message.expires_at.CopyFrom(timestamp(gone_at))
    message.funder = lot.funder
    message.activity_id = wire.activity_id(lot.source_id)


def _lot_cursor(cursor: Sequence[str | int] | None) -> LotPlace:
    if not cursor:
        return FIRST_PLACE
    gone_at, available_at, lot_id = map(str, cursor)
    return datetime.fromisoformat(gone_at), datetime.fromisoformat(available_at), UUID(lot_id)
