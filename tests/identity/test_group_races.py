"""What is done to a group at the same time: each race has one outcome, and both halves tell the same one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tessera.errors import error_of_call
from tessera.identity.v1 import group_pb2 as pb
from tests.identity.builders import close
from tests.identity.groups import (
    accept,
    asked,
    cancel,
    decline,
    dissolve,
    found,
    group_of,
    join,
    kind,
    leave,
    person,
    publish_kinds,
    remove,
    roles_of,
    transfer,
)
from tests.identity.processes import process_of
from tests.support.suite import Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 8

HALVES_THAT_DIFFER = """
    SELECT count(*)
    FROM (
        SELECT seat_id, group_id, member_id, role, left_at, count(DISTINCT owner_id) AS halves
        FROM seats
        GROUP BY seat_id, group_id, member_id, role, left_at
        UNION ALL
        SELECT invitation_id, group_id, member_id, role, closed_at, count(DISTINCT owner_id)
        FROM invitations
        GROUP BY invitation_id, group_id, member_id, role, closed_at, status
    ) AS told
    WHERE halves <> 2
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    """Identity with a kind of group that has one seat left, and one with many."""
    one_seat = kind("pair", roles=[{"code": "partner", "seats": {"max": 1}}], cool_down_days=0)
    club = kind(
        "club",
        roles=[{"code": "guest", "seats": {"max": 50}, "may": ["remove"]}],
        groups_per_member="unlimited",
        cool_down_days=0,
    )
    async with start_suite("identity") as started:
        await publish_kinds(started, one_seat, club)
        yield started
        assert await value(started, HALVES_THAT_DIFFER) == 0


async def value(suite: Suite, query: str) -> Any:
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def reasons(*calls: Awaitable[Any]) -> list[str]:
    """What became of calls made together: the reason of a refusal, or nothing."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return [error_of_call(answer).reason if isinstance(answer, Exception) else "" for answer in answers]


async def test_the_last_seat_is_taken_once(suite: Suite) -> None:
    ann, people = await person(suite), [await person(suite) for _ in range(20)]
    pair = await group_of(suite, ann, "pair")
    invitations = [await asked(suite, pair, ann, one, "partner") for one in people]
    outcomes = await reasons(*map(accept, [suite] * 20, invitations, people))
    assert Counter(outcomes) == {"": 1, "GROUP_SEATS_TAKEN": 19}
    assert len(await roles_of(suite, pair)) == 2


async def test_the_last_seat_is_taken_once_by_two_processes(suite: Suite) -> None:
    ann, people = await person(suite), [await person(suite) for _ in range(10)]
    pair = await group_of(suite, ann, "pair")
    invitations = [await asked(suite, pair, ann, one, "partner") for one in people]
    async with process_of(suite) as process:
        stubs = [suite.identity, process.stub]
        outcomes = await reasons(
            *(
                stubs[number % 2].AcceptInvitation(
                    pb.AcceptInvitationRequest(request_id=invitation, invitation_id=invitation, member_id=one)
                )
                for number, (invitation, one) in enumerate(zip(invitations, people, strict=True))
            )
        )
    assert Counter(outcomes) == {"": 1, "GROUP_SEATS_TAKEN": 9}


async def test_an_invitation_ends_in_one_way(suite: Suite) -> None:
    ann, people = await person(suite), [await person(suite) for _ in range(ROUNDS)]
    club = await group_of(suite, ann, "club")
    for one in people:
        invitation = await asked(suite, club, ann, one, "guest")
        outcomes = await reasons(
            accept(suite, invitation, one), cancel(suite, invitation, ann), decline(suite, invitation, one)
        )
        assert sorted(outcomes) == ["", "INVITATION_NOT_OPEN", "INVITATION_NOT_OPEN"]
        assert (one in await roles_of(suite, club)) == (outcomes[0] == "")


async def test_a_member_goes_once_whoever_does_it(suite: Suite) -> None:
    ann, people = await person(suite), [await person(suite) for _ in range(ROUNDS)]
    club = await group_of(suite, ann, "club")
    for one in people:
        await join(suite, club, ann, one, "guest")
        outcomes = await reasons(leave(suite, club, one), remove(suite, club, ann, one), close(suite, one))
        assert outcomes[2] == ""
        assert sorted(outcomes[:2]) in (["", "GROUP_MEMBER_UNKNOWN"], ["GROUP_MEMBER_UNKNOWN"] * 2)
        assert await roles_of(suite, club) == {ann: "owner"}


async def test_a_group_is_passed_on_or_dissolved_in_one_order(suite: Suite) -> None:
    for _ in range(ROUNDS):
        ann, bob, cy = [await person(suite) for _ in range(3)]
        club = await group_of(suite, ann, "club")
        await join(suite, club, ann, bob, "guest")
        invitation = await asked(suite, club, ann, cy, "guest")
        outcomes = await reasons(
            transfer(suite, club, ann, bob), dissolve(suite, club, ann), accept(suite, invitation, cy)
        )
        assert outcomes[0] in ("", "GROUP_DISSOLVED")
        assert outcomes[1] == ("GROUP_RIGHT_MISSING" if outcomes[0] == "" else "")
        members = await roles_of(suite, club)
        assert members.get(bob) == ("owner" if outcomes[0] == "" else None)
        assert (outcomes[2] == "") >= (cy in members)


async def test_two_owners_pass_on_to_different_heirs_one_after_the_other(suite: Suite) -> None:
    ann, bob, cy = [await person(suite) for _ in range(3)]
    club = await group_of(suite, ann, "club")
    for one in (bob, cy):
        await join(suite, club, ann, one, "guest")
    outcomes = await reasons(transfer(suite, club, ann, bob), transfer(suite, club, ann, cy))
    assert sorted(outcomes) == ["", "GROUP_RIGHT_MISSING"]
    assert sorted((await roles_of(suite, club)).values()) == ["guest", "guest", "owner"]


async def test_who_may_have_one_group_founds_one(suite: Suite) -> None:
    for _ in range(ROUNDS):
        ann = await person(suite)
        outcomes = await reasons(*(found(suite, ann, "pair") for _ in range(5)))
        assert Counter(outcomes) == {"": 1, "GROUP_LIMIT": 4}


async def test_two_who_ask_each_other_do_not_deadlock(suite: Suite) -> None:
    for _ in range(ROUNDS):
        ann, bob = await person(suite), await person(suite)
        of_ann, of_bob = await group_of(suite, ann, "club"), await group_of(suite, bob, "club")
        invitations = await asyncio.gather(
            asked(suite, of_ann, ann, bob, "guest"), asked(suite, of_bob, bob, ann, "guest")
        )
        assert await reasons(accept(suite, invitations[0], bob), accept(suite, invitations[1], ann)) == ["", ""]
        assert await roles_of(suite, of_ann) == {ann: "owner", bob: "guest"}
        assert await roles_of(suite, of_bob) == {bob: "owner", ann: "guest"}


async def test_a_member_that_is_closed_is_in_no_group_that_it_joins_meanwhile(suite: Suite) -> None:
    ann = await person(suite)
    clubs = [await group_of(suite, ann, "club") for _ in range(4)]
    for _ in range(ROUNDS):
        bob = await person(suite)
        invitations = [await asked(suite, club, ann, bob, "guest") for club in clubs]
        outcomes = await reasons(close(suite, bob), *(accept(suite, one, bob) for one in invitations))
        assert outcomes[0] == ""
        assert set(outcomes[1:]) <= {"", "MEMBER_CLOSED"}
        assert [await roles_of(suite, club) for club in clubs] == [{ann: "owner"}] * 4
