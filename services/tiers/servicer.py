"""The methods of the contract: message → what is wanted → what is found → reply. All of them read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.app import Platform
from services.chassis.civil import civil_day
from services.chassis.clock import from_microseconds, to_microseconds
from services.chassis.errors import Refused, Rejection, to_status
from services.chassis.instants import checked_instant
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from services.chassis.validation import item_rejection
from services.tiers import errors, wire
from services.tiers.standings import reads
from services.tiers.standings.views import StandingView, ladder_view, latest_standing_view, standing_view
from services.tiers.values import Config, Ladder
from tessera.tiers.v1 import tiers_service_pb2 as pb

ERROR_DOMAIN = "tiers.tessera"
DEFAULT_PAGE = 100
_NEWEST = (1 << 62, 0)


@dataclass(frozen=True, slots=True)
class Item:
    """A standing asked for."""

    member_id: UUID
    ladders: Sequence[Ladder]
    effective_at: datetime | None
    """None for now."""


class TiersServicer:
    """Serves `tessera.tiers.v1.TiersService`."""

    def __init__(self, platform: Platform[Config]) -> None:
        self._platform = platform
        self._partitions = platform.settings.partitions

    async def GetStanding(self, request: pb.GetStandingRequest, call: Call) -> pb.GetStandingResponse:
        """Where one member stands."""
        await self._platform.at_least.wait(request.at_least, call)
        (answer,) = await self._standings((request,))
        if isinstance(answer, Rejection):
            raise Refused(answer)
        return answer

    async def BulkGetStandings(self, request: pb.BulkGetStandingsRequest, call: Call) -> pb.BulkGetStandingsResponse:
        """Where many members stand."""
        await self._platform.at_least.wait(request.at_least, call)
        response = pb.BulkGetStandingsResponse()
        for answer in await self._standings(request.requests):
            result = response.results.add()
            if isinstance(answer, Rejection):
                result.error.CopyFrom(to_status(answer, ERROR_DOMAIN))
            else:
                result.response.CopyFrom(answer)
        return response

    async def ListStandings(self, request: pb.ListStandingsRequest, call: Call) -> pb.ListStandingsResponse:
        """A page of a standing's history."""
        await self._platform.at_least.wait(request.at_least, call)
        config = await self._config()
        ladder = _ladder(config, request.ladder)
        sent_id = wire.member_of(request.member_id)
        meant = (await self._meant((sent_id,))).get(sent_id)
        if meant is None:
            raise Refused(errors.member_unknown(request.member_id))
        member_id, enrolled_at = meant
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        place, ended_at_us = ((int(cursor[0]), int(cursor[1])), int(cursor[2])) if cursor else (_NEWEST, 0)
        partition = partition_of(member_id, self._partitions)
        found = await reads.page(self._platform.pool, partition, member_id, ladder.code, place, size + 1)
        shown = found[:size]
        first_known = shown[-1].effective_from if shown else from_microseconds(ended_at_us)
        begins = first_known is None or enrolled_at < first_known
        response = pb.ListStandingsResponse()
        for standing in shown:
            wire.fill_interval(response.intervals.add(), standing)
        if len(found) < size and begins:
            response.intervals.append(wire.beginning(ladder, enrolled_at, first_known))
        elif len(found) > size or (len(found) == size and begins):
            last = shown[-1]
            after = (last.position, last.ordinal, to_microseconds(last.effective_from))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, after)
        return response

    async def GetLadderSummary(self, request: pb.GetLadderSummaryRequest, call: Call) -> pb.GetLadderSummaryResponse:
        """How many members stand where, and how often they moved."""
        await self._platform.at_least.wait(request.at_least, call)
        ladders = _ladders(await self._config(), request.ladder)
        now = await self._platform.clock.now()
        wanted = [(ladder.code, ladder.unit, civil_day(now, ladder.zone)) for ladder in ladders]
        counts = await reads.counts(self._platform.pool, wanted, now)
        response = pb.GetLadderSummaryResponse()
        for ladder in ladders:
            wire.fill_summary(response.ladders.add(), ladder_view(ladder, counts, now))
        return response

    async def _config(self) -> Config:
        _, config = await self._platform.configurations.current(self._platform.pool)
        return config

    async def _meant(self, member_ids: Sequence[UUID]) -> Mapping[UUID, reads.Meant]:
        return await reads.meant(self._platform.pool, self._partitions, member_ids)

    async def _standings(self, requests: Sequence[pb.GetStandingRequest]) -> list[pb.GetStandingResponse | Rejection]:
        """An answer to each request, all read together."""
        config = await self._config()
        now = await self._platform.clock.now()
        items = [_item(request, config) for request in requests]
        asked = [item for item in items if isinstance(item, Item)]
        meant = await self._meant([item.member_id for item in asked])
        wanted = [
            self._wanted(item, meant[item.member_id].member_id, ladder, now)
            for item in asked
            if item.member_id in meant
            for ladder in item.ladders
        ]
        found = iter(await reads.standings(self._platform.pool, wanted) if wanted else ())
        answers: list[pb.GetStandingResponse | Rejection] = []
        for request, item in zip(requests, items, strict=True):
            if isinstance(item, Rejection):
                answers.append(item)
            elif (member := meant.get(item.member_id)) is None:
                answers.append(errors.member_unknown(request.member_id))
            else:
                response = pb.GetStandingResponse()
                for ladder in item.ladders:
                    view = _view(ladder, next(found), member.enrolled_at, item.effective_at, now)
                    wire.fill_standing(response.standings.add(), view)
                answers.append(response)
        return answers

    def _wanted(self, item: Item, member_id: UUID, ladder: Ladder, now: datetime) -> reads.Wanted:
        day = civil_day(item.effective_at or now, ladder.zone)
        return reads.Wanted(
            partition=partition_of(member_id, self._partitions),
            member_id=member_id,
            ladder=ladder.code,
            unit=ladder.unit,
            at=item.effective_at or reads.LATEST,
            first_day=ladder.window.first_day(day),
            day=day if item.effective_at else reads.LATEST.date(),
        )


def _view(
    ladder: Ladder, found: reads.Found, enrolled_at: datetime, effective_at: datetime | None, now: datetime
) -> StandingView:
    if effective_at is None:
        return latest_standing_view(ladder, found, enrolled_at, now)
    return standing_view(ladder, found, enrolled_at, effective_at)


def _item(request: pb.GetStandingRequest, config: Config) -> Item | Rejection:
    rejection = item_rejection(request)
    if rejection is not None:
        return rejection
    try:
        ladders = _ladders(config, request.ladder)
        at = checked_instant(request.effective_at, "effective_at") if request.HasField("effective_at") else None
    except Refused as error:
        return error.rejection
    return Item(wire.member_of(request.member_id), ladders, at)


def _ladders(config: Config, code: str) -> Sequence[Ladder]:
    """The ladder asked for, or all of them. Raises Refused (LADDER_UNKNOWN)."""
    return [_ladder(config, code)] if code else list(config.ladders.values())


def _ladder(config: Config, code: str) -> Ladder:
    ladder = config.ladders.get(code)
    if ladder is None:
        raise Refused(errors.ladder_unknown(code))
    return ladder
