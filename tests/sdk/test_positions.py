"""What a client has seen written is passed along, so that the next service it asks has seen it, too."""

from typing import Any

from google.protobuf.message import Message

from tessera.identity.v1 import group_pb2
from tessera.identity.v1 import identity_service_pb2 as identity_pb
from tessera.points.v1 import points_service_pb2 as points_pb
from tessera.tiers.v1 import tiers_service_pb2 as tiers_pb
from tessera.type.v1.position_pb2 import Position
from tests.sdk.scripted import client_of, in_turn, scripted
from tests.support import access
from tests.support.suite import Suite, start_suite


def _at(service: str, partition: int, position: int) -> Position:
    return Position(service=service, partition=partition, position=position)


def _enrolled(*positions: Position) -> Message:
    results = [
        identity_pb.BulkResolveAccountsResponse.Result(response=identity_pb.ResolveAccountResponse(position=position))
        for position in positions
    ]
    return identity_pb.BulkResolveAccountsResponse(results=results)


async def _asked(identity_answer: Message, *requests: points_pb.GetBalanceRequest) -> list[Any]:
    """The balances that points is asked for after identity has answered."""
    async with (
        scripted(in_turn(identity_answer)) as identity,
        scripted(in_turn(points_pb.GetBalanceResponse())) as points,
        client_of(("identity", identity), ("points", points)) as client,
    ):
        await client.identity.BulkResolveAccounts(identity_pb.BulkResolveAccountsRequest())
        for request in requests:
            await client.points.GetBalance(request)
    return points.requests(points_pb.GetBalanceRequest)


async def test_a_service_is_asked_to_have_seen_the_newest_position_of_each_partition() -> None:
    answer = _enrolled(_at("identity", 3, 7), _at("identity", 3, 9), _at("identity", 5, 1), _at("identity", 3, 8))
    (asked,) = await _asked(answer, points_pb.GetBalanceRequest(member_id="member_1"))
    assert sorted((at.service, at.partition, at.position) for at in asked.at_least) == [
        ("identity", 3, 9),
        ("identity", 5, 1),
    ]
    assert asked.member_id == "member_1"


async def test_both_halves_of_work_between_two_members_are_seen() -> None:
    answer = points_pb.GiftResponse(position=_at("points", 1, 5), to_position=_at("points", 2, 6))
    async with (
        scripted(in_turn(answer)) as points,
        scripted(in_turn(tiers_pb.GetStandingResponse())) as tiers,
        client_of(("points", points), ("tiers", tiers)) as client,
    ):
        await client.points.Gift(points_pb.GiftRequest())
        await client.tiers.GetStanding(tiers_pb.GetStandingRequest())
    (asked,) = tiers.requests(tiers_pb.GetStandingRequest)
    assert sorted((at.partition, at.position) for at in asked.at_least) == [(1, 5), (2, 6)]


async def test_what_a_service_is_known_to_have_seen_is_not_asked_again() -> None:
    answer = _enrolled(_at("identity", 3, 7))
    first, second = await _asked(answer, points_pb.GetBalanceRequest(), points_pb.GetBalanceRequest())
    assert len(first.at_least) == 1
    assert not second.at_least


async def test_positions_that_the_caller_gives_are_left_alone() -> None:
    own = points_pb.GetBalanceRequest(at_least=[_at("tiers", 1, 1)])
    (asked,) = await _asked(_enrolled(_at("identity", 3, 7)), own)
    assert asked == own


async def test_configuration_is_in_no_feed() -> None:
    (asked,) = await _asked(_enrolled(_at("identity", -1, 7)), points_pb.GetBalanceRequest())
    assert not asked.at_least


async def test_a_service_is_not_asked_for_what_it_does_not_follow() -> None:
    """Nobody follows points' own writes back into identity, and points need not wait for itself."""
    spent = points_pb.SpendResponse(position=_at("points", 2, 4))
    async with (
        scripted(in_turn(identity_pb.GetMemberResponse())) as identity,
        scripted(in_turn(spent, points_pb.GetBalanceResponse())) as points,
        scripted(in_turn(tiers_pb.GetStandingResponse())) as tiers,
        client_of(("identity", identity), ("points", points), ("tiers", tiers)) as client,
    ):
        await client.points.Spend(points_pb.SpendRequest())
        await client.points.GetBalance(points_pb.GetBalanceRequest())
        await client.identity.GetMember(identity_pb.GetMemberRequest())
        await client.tiers.GetStanding(tiers_pb.GetStandingRequest())
    assert not points.requests(points_pb.GetBalanceRequest)[-1].at_least
    assert not identity.requests(identity_pb.GetMemberRequest)[0].at_least
    assert list(tiers.requests(tiers_pb.GetStandingRequest)[0].at_least) == [_at("points", 2, 4)]


async def test_enrolling_and_reading_the_balance_at_once_works() -> None:
    async with start_suite("identity", "points") as suite, _client(suite) as client:
        await publish_shop(suite)
        for number in range(20):
            enrolled = await client.identity.ResolveAccount(
                identity_pb.ResolveAccountRequest(domain="fuel", external_id=str(number), create_missing=True)
            )
            await client.points.GetBalance(points_pb.GetBalanceRequest(member_id=enrolled.member_id))


def _client(suite: Suite) -> Any:
    from tessera import connect

    return connect(suite.addresses, token=access.token())


async def publish_shop(suite: Suite) -> None:
    """A programme with one domain and one unit."""
    spec = {"name": "Shop", "time_zone": "UTC", "currency": "USD"}
    programme = {"kind": "programme", "code": "shop", "programme": "shop", "spec": spec}
    fuel = {"kind": "domain", "code": "fuel", "programme": "shop", "spec": {"name": "Fuel", "owner": "fuel-team"}}
    unit = {"kind": "unit", "code": "points", "programme": "shop", "spec": {"name": "Points", "kind": "spendable"}}
    await suite.publish("identity", programme, fuel)
    await suite.publish("points", programme, unit)


async def test_every_half_of_a_dissolved_group_is_remembered() -> None:
    dissolved = group_pb2.DissolveGroupResponse(
        position=_at("identity", 1, 4), member_positions=[_at("identity", 2, 5), _at("identity", 3, 6)]
    )
    async with (
        scripted(in_turn(dissolved)) as identity,
        scripted(in_turn(points_pb.GetBalanceResponse())) as points,
        client_of(("identity", identity), ("points", points)) as client,
    ):
        await client.identity.DissolveGroup(group_pb2.DissolveGroupRequest())
        await client.points.GetBalance(points_pb.GetBalanceRequest())
    (asked,) = points.requests(points_pb.GetBalanceRequest)
    assert sorted((at.partition, at.position) for at in asked.at_least) == [(1, 4), (2, 5), (3, 6)]
