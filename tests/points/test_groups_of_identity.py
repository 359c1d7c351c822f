"""Groups as identity has them: who joins spends with the others at once, who leaves or is left alone does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tessera.points.v1 import group_pb2, movement_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.identity import groups
from tests.identity.builders import enrol
from tests.points.builders import Shop, local, outcome, programme, request_id, rule, unit
from tests.support.suite import Suite, start_suite


@asynccontextmanager
async def town(kind: str) -> AsyncIterator[tuple[Suite, list[Any], str, Any]]:
    """Two members who have 100 each, their group, and where identity has committed the second one's joining."""
    async with start_suite("identity", "points", clock_start=local("2026-01-01")) as suite:
        await groups.publish_kinds(suite)
        await Shop(suite).publish(programme(), unit(pooling={}), rule())
        members = [await enrol(suite, domain="fuel") for _ in range(2)]
        owner, other = (member.member_id for member in members)
        group_id = await groups.group_of(suite, owner, kind)
        joined = await groups.join(suite, group_id, owner, other, "guest" if kind == "club" else "adult")
        for member in members:
            await suite.points.Grant(_granted(member))
        yield suite, members, group_id, joined


def _granted(member: Any) -> Any:
    return movement_pb2.GrantRequest(amount=100, **_of(member))


def _of(member: Any) -> dict[str, Any]:
    return {
        "request_id": request_id(),
        "member_id": member.member_id,
        "account_id": member.account_id,
        "domain": "fuel",
        "unit": "points",
        "at_least": [member.position],
    }


def _spend(member: Any, group_id: str, amount: int, *at_least: Any) -> pb.SpendRequest:
    request = pb.SpendRequest(amount=amount, group_id=group_id, **_of(member))
    request.at_least.extend(at_least)
    return request


async def test_who_has_joined_spends_with_the_others_at_once_and_who_has_left_no_more() -> None:
    async with town("household") as (suite, (owner, other), group_id, joined):
        spent = await suite.points.Spend(_spend(other, group_id, 150, joined.position))
        assert [one.member_id for one in spent.contributions] == [other.member_id, owner.member_id]
        asked = group_pb2.GetPoolBalanceRequest(group_id=group_id, unit="points", at_least=[joined.position])
        found = await suite.points.GetPoolBalance(asked)
        assert (found.available, [member.role for member in found.members]) == (50, ["owner", "adult"])
        left = await groups.leave(suite, group_id, other.member_id)
        assert await outcome(suite.points.Spend(_spend(other, group_id, 1, left.position))) == "NOT_IN_GROUP"
        dissolved = await groups.dissolve(suite, group_id, owner.member_id)
        assert await outcome(suite.points.Spend(_spend(owner, group_id, 1, dissolved.position))) == "NOT_IN_GROUP"


async def test_a_kind_of_group_that_does_not_share_points_spends_none_together() -> None:
    async with town("club") as (suite, (owner, _), group_id, joined):
        refused = await outcome(suite.points.Spend(_spend(owner, group_id, 1, joined.position)))
        assert refused == "GROUP_SHARES_NO_POINTS"
