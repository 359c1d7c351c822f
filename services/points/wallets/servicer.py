"""Reading wallets: balances, entries, lots."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from google.protobuf.message import Message

from services.chassis.app import Platform
from services.chassis.database import Connection
from services.chassis.errors import Refused, Rejection, to_status
from services.chassis.instants import checked_instant, timestamp
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from services.chassis.validation import item_rejection
from services.points import errors, wire
from services.points.documents import PointsConfig
from services.points.merges.persons import Person, persons_of
from services.points.piles import FIRST_PLACE, Place, place_of
from services.points.requests import decode
from services.points.values import EntryKind, Lot
from services.points.wallet import Wallet
from services.points.wallets import reads
from services.points.wallets.balances import (
    NOTHING,
    BalanceView,
    Past,
    balance_at,
    balance_in_past,
    lots_page,
    together,
)
from services.points.wallets.history import past_as_recorded
from services.points.wallets.wire import fill_entry, fill_lot
from tessera.points.v1 import points_service_pb2 as pb

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
        now = await self._platform.clock.now()
        questions = [_question(request, config, now) for request in requests]
        asked = [question for question in questions if isinstance(question, _Question)]
        members = sorted({question.member_id for question in asked})
        past_views = {question.view for question in asked if question.at is not None and question.at < now}
        until = max([now, *(question.at for question in asked if question.at is not None)])
        async with self._snapshot() as connection:
            persons = await persons_of(connection, members, self._partitions)
            everybody = sorted({each for person in persons.values() for each in person})
            wallets = await reads.pooled_wallets(connection, self._partitions_of(everybody), everybody, now, until)
            pasts = {view: await self._past(connection, asked, persons, view) for view in past_views}
        return [
            question
            if isinstance(question, Rejection)
            else _answer(question, persons[question.member_id], wallets, pasts, now)
            for question in questions
        ]

    async def _past(
        self, connection: Connection, asked: Sequence["_Question"], persons: Mapping[UUID, Person], view: "_View"
    ) -> dict[tuple[UUID, str], Past]:
        members = sorted({each for q in asked if q.view == view for each in persons[q.member_id]})
        partitions, (at, recorded_by) = self._partitions_of(members), view
        assert at is not None, "a view of the past has an instant"
        if recorded_by is None:
            return await reads.past(connection, partitions, members, at)
        return await past_as_recorded(connection, partitions, members, at, recorded_by)

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
        person = await self._known(request.member_id)
        await self._check_unit(person, request.unit)
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        places = _entry_places(cursor, len(person))
        rows = [
            (row, partition, number)
            for number, (member_id, partition) in enumerate(zip(person, self._partitions_of(person), strict=True))
            for row in await reads.entries(
                self._platform.pool,
                partition,
                member_id,
                request.unit,
                places[number],
                size + 1,
                _entry_filter(request),
            )
        ]
        rows.sort(key=lambda each: each[0]["recorded_at"], reverse=True)
        response = pb.ListEntriesResponse()
        for row, partition, number in rows[:size]:
            entry = response.entries.add(member_id=wire.member_id(person[number]))
            fill_entry(entry, row, partition)
            places[number] = (row["position"], row["ordinal"])
        if len(rows) > size:
            reached = [each for place in places for each in place]
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, reached)
        return response

    async def ListLots(self, request: pb.ListLotsRequest, call: Call) -> pb.ListLotsResponse:
        """A page of lots."""
        await self._platform.at_least.wait(request.at_least, call)
        person = await self._known(request.member_id)
        await self._check_unit(person, request.unit)
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        after = _lot_cursor(tokens.decode(request.page_token, call.method, call.caller.name, request))
        now = await self._platform.clock.now()
        async with self._snapshot() as connection:
            page: list[tuple[Place, Lot]] = []
            kinds: dict[UUID, EntryKind] = {}
            wallets = await reads.wallets(connection, self._partitions_of(person), person)
            for member_id, partition in zip(person, self._partitions_of(person), strict=True):
                wallet = wallets[member_id].get(request.unit)
                if wallet is None:
                    continue
                booked = (
                    await reads.lots(connection, partition, member_id, request.unit, after, size + 1)
                    if request.include_closed
                    else None
                )
                lots = lots_page(wallet, booked, now, after)[: size + 1]
                page += [(place_of(lot, wallet.balance), lot) for lot in lots]
                sources = [lot.source_id for lot in lots]
                kinds |= await reads.openers(connection, partition, member_id, sources)
        page.sort(key=lambda each: each[0])
        response = pb.ListLotsResponse()
        for place, lot in page[:size]:
            fill_lot(response.lots.add(), lot, place[0], kinds[lot.source_id])
        if len(page) > size:
            gone_at, available_at, lot_id = page[size - 1][0]
            reached = (gone_at.isoformat(), available_at.isoformat(), str(lot_id))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, reached)
        return response

    async def _known(self, text: str) -> Person:
        """The person whom an ID means. Raises Refused (MEMBER_UNKNOWN)."""
        member_id = decode("member", text, "member_id")
        if not await reads.known_members(self._platform.pool, self._partitions_of([member_id]), [member_id]):
            raise Refused(errors.member_unknown(text))
        return (await persons_of(self._platform.pool, [member_id], self._partitions))[member_id]

    async def _check_unit(self, person: Person, unit: str) -> None:
        """Raises Refused (UNIT_UNKNOWN) for a unit that is not configured, unless the person ever had some of it."""
        _, config = await self._platform.configurations.current(self._platform.pool)
        if not unit or unit in config.units:
            return
        if not await reads.has_wallet(self._platform.pool, self._partitions_of(person), person, unit):
            raise Refused(errors.unit_unknown(unit))


_View = tuple[datetime | None, datetime | None]
"""Effective at an instant, None being now; as recorded by one, None being now."""
Pasts = Mapping[_View, Mapping[tuple[UUID, str], Past]]


@dataclass(frozen=True, slots=True)
class _Question:
    """Whose balances of which unit, now (None) or at an instant, as known now (None) or as recorded by a past one.

    Without a unit, of all that are configured and all that the member ever had some of.
    """

    member_id: UUID
    unit: str
    configured: Collection[str]
    at: datetime | None
    recorded_by: datetime | None

    @property
    def view(self) -> _View:
        """What it asks for of any member."""
        return self.at, self.recorded_by


def _question(request: pb.GetBalanceRequest, config: PointsConfig, now: datetime) -> "_Question | Rejection":
    try:
        member_id = decode("member", request.member_id, "member_id")
        at, recorded_by = _given_instant(request, "effective_at"), _given_instant(request, "recorded_by")
    except Refused as error:
        return error.rejection
    if recorded_by is not None:
        if at is not None and at > recorded_by:
            return errors.effective_after_recorded()
        at = at or min(recorded_by, now)
    known_by = recorded_by if recorded_by is not None and recorded_by < now else None
    return _Question(member_id, request.unit, config.units, at, known_by)


def _answer(
    question: _Question,
    person: Person,
    wallets: reads.Wallets,
    pasts: Pasts,
    now: datetime,
) -> pb.GetBalanceResponse | Rejection:
    of_member = wallets.get(question.member_id)
    if of_member is None:
        return errors.member_unknown(wire.member_id(question.member_id))
    units = {*question.configured, *(unit for each in person for unit in wallets[each])}
    if question.unit and question.unit not in units:
        return errors.unit_unknown(question.unit)
    response = pb.GetBalanceResponse()
    for unit in [question.unit] if question.unit else sorted(units):
        of_unit = [wallet for each in person if (wallet := wallets[each].get(unit)) is not None]
        view = together([_view(wallet, question.view, pasts, now) for wallet in of_unit])
        balance = response.balances.add(unit=unit, available=view.available, pending=view.pending, held=view.held)
        for expires_at, amount in view.expiries:
            balance.expiries.add(expires_at=timestamp(expires_at), amount=amount)
        for merchant, amount in view.restricted:
            balance.restricted.add(merchant=merchant, available=amount)
    return response


def _view(wallet: Wallet, view: _View, pasts: Pasts, now: datetime) -> BalanceView:
    at = view[0]
    if at is None or view not in pasts:
        return balance_at(wallet, at or now)
    past = pasts[view].get((wallet.member_id, wallet.unit))
    return NOTHING if past is None else balance_in_past(past, wallet, at, now)


def _entry_filter(request: pb.ListEntriesRequest) -> reads.EntryFilter:
    """The filters of a request. Raises Refused."""
    return reads.EntryFilter(
        list(request.kinds) or None,
        _given_instant(request, "effective_from"),
        _given_instant(request, "effective_until"),
        _given_instant(request, "recorded_from"),
        _given_instant(request, "recorded_until"),
        decode("account", request.account_id, "account_id") if request.account_id else None,
        request.domain or None,
        decode(request.source_id.partition("_")[0], request.source_id, "source_id") if request.source_id else None,
    )


def _given_instant(request: Message, field: str) -> datetime | None:
    """The time in a field; None when it is absent. Raises Refused (TIME_OUT_OF_RANGE)."""
    return checked_instant(getattr(request, field), field) if request.HasField(field) else None


def _entry_places(cursor: Sequence[str | int] | None, wallets: int) -> list[tuple[int, int]]:
    """Before which entry of each wallet of a person a page begins."""
    if not cursor or len(cursor) != 2 * wallets:
        return [_NEWEST] * wallets
    numbers = [int(each) for each in cursor]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _lot_cursor(cursor: Sequence[str | int] | None) -> Place:
    if not cursor:
        return FIRST_PLACE
    gone_at, available_at, lot_id = map(str, cursor)
    return datetime.fromisoformat(gone_at), datetime.fromisoformat(available_at), UUID(lot_id)
