"""Draining feeds and moving the clocks of a whole suite."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from services.chassis.errors import Rejection
from tessera import Error, Step, connect, drain
from tessera.clock.v1 import clock_service_pb2
from tessera.events.v1 import event_feed_pb2 as pb
from tessera.identity.v1 import identity_service_pb2
from tessera.points.v1 import points_service_pb2
from tessera.step import NotDrained
from tests.sdk.scripted import Answer, client_of, in_turn, scripted
from tests.sdk.test_positions import publish_shop
from tests.support import access
from tests.support.suite import CLOCK_START, start_suite


def _positions(service: str, heads: Mapping[int, int], **followed: Mapping[int, int]) -> pb.GetPositionsResponse:
    return pb.GetPositionsResponse(
        service=service,
        heads=_cursors(heads),
        followed=[
            pb.GetPositionsResponse.Followed(service=source, cursors=_cursors(cursors))
            for source, cursors in followed.items()
        ],
    )


def _cursors(places: Mapping[int, int]) -> list[pb.Cursor]:
    return [pb.Cursor(partition=partition, position=position) for partition, position in places.items()]


async def test_when_nothing_is_to_be_read_everybody_is_asked_once() -> None:
    identity_answer = _positions("identity", {-1: 3, 0: 7, 1: 9})
    points_answer = _positions("points", {0: 2}, identity={0: 7, 1: 9})
    async with (
        scripted(in_turn(identity_answer)) as identity,
        scripted(in_turn(points_answer)) as points,
        client_of(("identity", identity), ("points", points)) as client,
    ):
        await drain(client)
    assert (len(identity.asked), len(points.asked)) == (1, 1)


async def test_a_follower_that_is_behind_is_asked_to_answer_when_it_has_read_the_rest() -> None:
    behind, caught_up = ({0: 5}, {0: 7})
    async with (
        scripted(in_turn(_positions("identity", {0: 7}))) as identity,
        scripted(
            in_turn(_positions("points", {}, identity=behind), _positions("points", {}, identity=caught_up))
        ) as points,
        client_of(("identity", identity), ("points", points)) as client,
    ):
        await drain(client)
    asked = points.requests(pb.GetPositionsRequest)
    assert [(at.service, at.partition, at.position) for at in asked[1].at_least] == [("identity", 0, 7)]
    assert (len(identity.asked), len(points.asked)) == (1, 2)


async def test_what_a_follower_writes_while_it_reads_is_waited_for_as_well() -> None:
    """Points reads tiers, which wrote something about what it read from points."""
    async with (
        scripted(
            in_turn(_positions("points", {0: 4}, tiers={0: 1}), _positions("points", {0: 4}, tiers={0: 2}))
        ) as points,
        scripted(
            in_turn(_positions("tiers", {0: 1}, points={0: 3}), _positions("tiers", {0: 2}, points={0: 4}))
        ) as tiers,
        client_of(("points", points), ("tiers", tiers)) as client,
    ):
        await drain(client)
    assert (len(points.asked), len(tiers.asked)) == (2, 2)


async def test_a_follower_that_never_catches_up_is_named() -> None:
    stuck = _positions("points", {}, identity={0: 5})

    def answer(name: str, payload: bytes) -> Answer:
        not_reached = Rejection("POSITION_NOT_REACHED", "stuck")
        return not_reached if pb.GetPositionsRequest.FromString(payload).at_least else stuck

    async with (
        scripted(in_turn(_positions("identity", {0: 7}))) as identity,
        scripted(answer) as points,
        client_of(("identity", identity), ("points", points)) as client,
    ):
        with pytest.raises(NotDrained, match="points has not read all of identity"):
            await drain(client)


async def test_after_a_drain_everybody_knows_what_was_written() -> None:
    async with start_suite("identity", "points") as suite:
        await publish_shop(suite)
        async with connect(suite.addresses, token=access.token()) as client:
            for number in range(20):
                enrolled = await client.identity.ResolveAccount(
                    identity_service_pb2.ResolveAccountRequest(
                        domain="fuel", external_id=str(number), create_missing=True
                    )
                )
                await drain(client)
                await suite.points.GetBalance(points_service_pb2.GetBalanceRequest(member_id=enrolled.member_id))


async def test_a_step_moves_every_clock() -> None:
    async with start_suite("identity", "points") as suite, connect(suite.addresses, token=access.token()) as client:
        step = Step(client)
        assert await step.now() == (CLOCK_START, True)
        to = CLOCK_START + timedelta(days=40, hours=5)
        await step.to(to)
        for service in suite.addresses:
            answer = await client.clock(service).GetClock(clock_service_pb2.GetClockRequest())
            assert answer.now.ToDatetime(UTC) == to


async def test_a_step_that_was_interrupted_is_done_again() -> None:
    async with start_suite("identity", "points") as suite, connect(suite.addresses, token=access.token()) as client:
        step = Step(client)
        to = CLOCK_START + timedelta(days=1)
        await step.to(to)
        await step.to(to - timedelta(hours=1))
        assert await step.now() == (to, True)


async def test_a_real_clock_cannot_be_moved() -> None:
    async with (
        start_suite("identity", clock="real") as suite,
        connect(suite.addresses, token=access.token()) as client,
    ):
        with pytest.raises(Error, match="CLOCK_NOT_VIRTUAL"):
            await Step(client).to(datetime(2100, 1, 1, tzinfo=UTC))
