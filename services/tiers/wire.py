"""Messages of the contract to values, and values to messages."""

from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.instants import timestamp
from services.tiers.standings.views import LadderView, StandingView
from services.tiers.values import MEMBER, Ladder, Standing
from tessera.tiers.v1 import tiers_service_pb2 as pb


def member_of(text: str) -> UUID:
    """The ID of a member; the contract has checked its form."""
    return ids.decode(MEMBER, text)


def fill_standing(message: pb.Standing, view: StandingView) -> None:
    """Write a standing into a message."""
    message.ladder = view.ladder.code
    message.level = view.level.code
    message.rank = view.rank
    message.since.FromDatetime(view.since)
    if view.valid_until is not None:
        message.valid_until.FromDatetime(view.valid_until)
    message.score = view.score
    if view.next_level is not None:
        message.progress.next_level = view.next_level.code
        message.progress.unit = view.ladder.unit
        message.progress.needed = view.next_level.at
        message.progress.missing = max(0, view.next_level.at - view.score)
    message.level_if_idle = view.ladder.levels[view.rank_if_idle].code


def fill_interval(message: pb.StandingInterval, standing: Standing) -> None:
    """Write a recorded standing into a message."""
    message.level = standing.level
    message.rank = standing.rank
    message.effective_from.FromDatetime(standing.effective_from)
    if standing.effective_to is not None:
        message.effective_to.FromDatetime(standing.effective_to)
    message.score = standing.score
    message.config_version = standing.config_version
    message.recorded_at.FromDatetime(standing.recorded_at)


def beginning(ladder: Ladder, enrolled_at: datetime, effective_to: datetime | None) -> pb.StandingInterval:
    """The interval with which every standing begins: the lowest level, since the member was enrolled."""
    interval = pb.StandingInterval(
        level=ladder.levels[0].code, effective_from=timestamp(enrolled_at), recorded_at=timestamp(enrolled_at)
    )
    if effective_to is not None:
        interval.effective_to.FromDatetime(effective_to)
    return interval


def fill_summary(message: pb.LadderSummary, view: LadderView) -> None:
    """Write the population of a ladder into a message."""
    message.ladder = view.ladder.code
    for level, members in zip(view.ladder.levels, view.members, strict=True):
        message.levels.add(level=level.code, members=members)
    message.rises = view.rises
    message.falls = view.falls
