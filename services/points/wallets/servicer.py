"""Reading wallets: balances, entries, lots."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.errors import Refused, Rejection, to_status
from services.chassis.instants import checked_instant, timestamp
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from services.chassis.validation import item_rejection
from services.points import errors, wire
from services.points.documents import PointsConfig
from services.points.requests import decode
from services.points.wallets import reads
from services.points.wallets.balances import BalanceView, balance_at, balance_in_past
from tessera.points.v1 import event_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tessera.type.v1 import position_pb2

DEFAULT_PAGE = 100
_NEWEST = (1 << 62, 0)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))


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
        """Balances for each request; requests for the same instant are read together."""
        _, config = await self._platform.configurations.current(self._platform.pool)
        now = await self._platform.clock.now()
        answers: list[pb.GetBalanceResponse | Rejection | None] = [None] * len(requests)
        by_instant: dict[datetime | None, list[tuple[int, UUID]]] = {}
        for number, request in enumerate(requests):
            try:
                at = checked_instant(request.effective_at, "effective_at") if request.HasField("effective_at") else None
                member_id = decode("member", request.member_id, "member_id")
            except Refused as error:
                answers[number] = error.rejection
                continue
            by_instant.setdefault(at, []).append((number, member_id))
        for at, wanted in by_instant.items():
            views = await self._views([member_id for _, member_id in wanted], at or now, now)
            for number, member_id in wanted:
                answers[number] = _answer(requests[number], member_id, views, config)
        return [answer for answer in answers if answer is not None]

    async def _views(
        self, member_ids: Sequence[UUID], at: datetime, now: datetime
    ) -> dict[UUID, dict[str, BalanceView]]:
        """Balances by member and unit; a member nobody has heard of is missing."""
        pool = self._platform.pool
        unique = sorted(set(member_ids))
        partitions = [partition_of(member_id, self._partitions) for member_id in unique]
        views: dict[UUID, dict[str, BalanceView]] = {
            member_id: {} for member_id in await reads.known_members(pool, partitions, unique)
        }
        if at < now:
            for (member_id, unit), past in (await reads.past(pool, partitions, unique, at)).items():
                views[member_id][unit] = balance_in_past(past)
            return views
        shares = await reads.shares(pool, partitions, unique)
        for (member_id, unit), (balance, debt) in (await reads.totals(pool, partitions, unique)).items():
            view = balance_at(shares.get((member_id, unit), ()), debt, at)
            views[member_id][unit] = view if (member_id, unit) in shares or debt else _score(balance)
        return views

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
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        rows = await reads.lots(
            self._platform.pool,
            partition_of(member_id, self._partitions),
            member_id,
            request.unit,
            request.include_closed,
            await self._platform.clock.now(),
            _lot_cursor(cursor),
            size + 1,
        )
        response = pb.ListLotsResponse()
        for row in rows[:size]:
            _fill_lot(response.lots.add(), row)
        if len(rows) > size:
            last = rows[size - 1]
            place = (_text(last["expires_at"]), _text(last["available_at"]), str(last["lot_id"]))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def _known(self, text: str) -> UUID:
        member_id = decode("member", text, "member_id")
        partition = partition_of(member_id, self._partitions)
        if not await reads.known_members(self._platform.pool, [partition], [member_id]):
            raise Refused(errors.member_unknown(text))
        return member_id

    async def _check_unit(self, unit: str) -> None:
        _, config = await self._platform.configurations.current(self._platform.pool)
        if unit and unit not in config.units:
            raise Refused(errors.unit_unknown(unit))


def _score(balance: int) -> BalanceView:
    """A wallet without open lots: a score, or nothing left."""
    return BalanceView(balance, 0, 0, ())


def _answer(
    request: pb.GetBalanceRequest,
    member_id: UUID,
    views: dict[UUID, dict[str, BalanceView]],
    config: PointsConfig,
) -> pb.GetBalanceResponse | Rejection:
    if request.unit and request.unit not in config.units:
        return errors.unit_unknown(request.unit)
    if member_id not in views:
        return errors.member_unknown(request.member_id)
    units = [request.unit] if request.unit else sorted(config.units)
    response = pb.GetBalanceResponse()
    for unit in units:
        view = views[member_id].get(unit, _score(0))
        balance = response.balances.add(unit=unit, available=view.available, pending=view.pending, held=view.held)
        for expires_at, amount in view.expiries:
            balance.expiries.add(expires_at=timestamp(expires_at), amount=amount)
    return response


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


def _fill_lot(lot: pb.Lot, row: Any) -> None:
    lot_id, unit, amount, remaining, held, available_at, expires_at, funder, source_id = row
    lot.lot_id = wire.lot_id(lot_id)
    lot.unit = unit
    lot.amount = amount
    lot.remaining = remaining
    lot.held = held
    lot.available_at.CopyFrom(timestamp(available_at))
    if expires_at is not None:
        lot.expires_at.CopyFrom(timestamp(expires_at))
    lot.funder = funder
    lot.activity_id = wire.activity_id(source_id)


_INFINITY = "infinity"


def _text(at: datetime | None) -> str:
    return _INFINITY if at is None else at.isoformat()


def _lot_cursor(cursor: Sequence[str | int] | None) -> tuple[datetime, datetime, UUID]:
    if not cursor:
        return _FIRST
    expires_at, available_at, lot_id = map(str, cursor)
    expiry = datetime.max.replace(tzinfo=UTC) if expires_at == _INFINITY else datetime.fromisoformat(expires_at)
    return expiry, datetime.fromisoformat(available_at), UUID(lot_id)
