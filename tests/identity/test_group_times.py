"""What time does to groups: invitations end, cool-downs pass; days are civil days of the programme."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest_asyncio

from services.chassis.jobs import JobRunner
from services.identity.groups import jobs
from tessera.identity.v1 import group_pb2 as pb
from tests.identity.groups import (
    accept,
    asked,
    found,
    group_of,
    invitations_of,
    invite,
    join,
    kind,
    leave,
    person,
    publish_kinds,
    publish_no_kinds,
    remove,
    roles_of,
)
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

# The first instant is 08:00 on 1 January in Shanghai, whose midnight is 16:00 UTC.
EIGHTH = datetime(2026, 1, 7, 16, tzinfo=UTC)
"""00:00 on 8 January in Shanghai, seven civil days after the first."""
END_OF_COOL_DOWN = datetime(2026, 1, 30, 16, tzinfo=UTC)
"""00:00 on 31 January in Shanghai, thirty civil days after the first."""
MOMENT = timedelta(microseconds=1)


@pytest_asyncio.fixture
async def suite() -> AsyncIterator[Suite]:
    """Identity on its first day, with kinds of groups published."""
    async with start_suite("identity") as started:
        await publish_kinds(started)
        yield started


async def rows(suite: Suite, query: str) -> list[Any]:
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_an_invitation_can_be_accepted_until_its_last_day_is_over(suite: Suite) -> None:
    ann, bob, cy = [await person(suite) for _ in range(3)]
    group = await group_of(suite, ann)
    first = (await invite(suite, group, ann, bob)).invitation
    second = await asked(suite, group, ann, cy)
    assert first.expires_at.ToDatetime(UTC) == EIGHTH
    await suite.advance(EIGHTH - MOMENT)
    await accept(suite, first.invitation_id, bob)
    await suite.advance(EIGHTH)
    refusal = await refusal_of(accept(suite, second, cy))
    assert (refusal.reason, dict(refusal.metadata)) == ("INVITATION_NOT_OPEN", {"status": "expired"})


async def test_an_invitation_reads_as_expired_before_it_is_booked(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    await invite(suite, group, ann, bob)
    platform = suite.running["identity"].platform
    await platform.pool.execute("UPDATE clock SET now = $1", EIGHTH)  # as if the job were late
    for of in ({"group_id": group}, {"member_id": bob}):
        (read,) = await invitations_of(suite, **of)
        assert (read.status, read.closed_at.ToDatetime(UTC)) == (pb.INVITATION_STATUS_EXPIRED, EIGHTH)
        assert await invitations_of(suite, status=pb.INVITATION_STATUS_OPEN, **of) == []
        assert await invitations_of(suite, status=pb.INVITATION_STATUS_EXPIRED, **of) == [read]
    again = await invite(suite, group, ann, bob)
    assert again.invitation.status == pb.INVITATION_STATUS_OPEN
    await accept(suite, again.invitation.invitation_id, bob)


async def test_the_end_of_an_invitation_is_booked_once_in_both_halves(suite: Suite) -> None:
    ann, people = await person(suite), [await person(suite) for _ in range(8)]
    club = await group_of(suite, ann, "club")
    for one in people:
        await invite(suite, club, ann, one, "guest")
    await suite.advance(EIGHTH)
    booked = await rows(suite, "SELECT status, closed_at FROM invitations")
    assert booked == [(5, EIGHTH)] * 16
    positions = await rows(suite, "SELECT partition, position FROM head ORDER BY partition")
    platform = suite.running["identity"].platform
    await jobs.expire_invitations(platform, EIGHTH)
    assert await rows(suite, "SELECT partition, position FROM head ORDER BY partition") == positions


async def test_a_job_that_broke_off_goes_on_where_it_was(suite: Suite) -> None:
    ann, people = await person(suite), [await person(suite) for _ in range(5)]
    club = await group_of(suite, ann, "club")
    for one in people:
        await invite(suite, club, ann, one, "guest")
    platform = suite.running["identity"].platform
    await platform.pool.execute("UPDATE clock SET now = $1", EIGHTH)
    ((invitation_id, group_id, member_id), *_) = await jobs.queries.due_invitations(
        platform.pool, range(platform.settings.partitions), EIGHTH, 1
    )
    half = jobs.ExpireInvitation(None, group_id, False, invitation_id, member_id)
    await platform.lanes.submit([half, half])
    runner = JobRunner(jobs.jobs(platform), platform.pool, platform.configurations, platform.clock)
    await runner.run_until(EIGHTH + timedelta(days=1))
    assert await rows(suite, "SELECT DISTINCT status, closed_at FROM invitations") == [(5, EIGHTH)]


async def test_who_left_joins_another_group_of_the_kind_only_after_the_cool_down(suite: Suite) -> None:
    ann, bob, cy = [await person(suite) for _ in range(3)]
    group, other = await group_of(suite, ann), await group_of(suite, cy)
    await join(suite, group, ann, bob)
    await leave(suite, group, bob)
    invitation = await asked(suite, other, cy, bob)
    for late in (accept(suite, invitation, bob), found(suite, bob)):
        refusal = await refusal_of(late)
        assert refusal.reason == "GROUP_COOL_DOWN"
        assert dict(refusal.metadata) == {"kind": "household", "next_eligible_at": END_OF_COOL_DOWN.isoformat()}
    await found(suite, bob, "club")
    await suite.advance(END_OF_COOL_DOWN - MOMENT)
    assert (await refusal_of(found(suite, bob))).reason == "GROUP_COOL_DOWN"
    await suite.advance(END_OF_COOL_DOWN)
    await join(suite, other, cy, bob)


async def test_who_was_taken_out_may_come_back_to_the_same_group(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    await join(suite, group, ann, bob)
    await remove(suite, group, ann, bob)
    await join(suite, group, ann, bob)
    assert await roles_of(suite, group) == {ann: "owner", bob: "adult"}
    former = await suite.identity.ListGroupMembers(pb.ListGroupMembersRequest(group_id=group, include_former=True))
    assert [seat.member_id for seat in former.seats].count(bob) == 2


async def test_a_group_keeps_what_it_was_founded_with_and_takes_the_numbers_of_today(suite: Suite) -> None:
    ann, *others = [await person(suite) for _ in range(4)]
    group = await group_of(suite, ann)
    for one in others[:2]:
        await join(suite, group, ann, one)
    invitation = await asked(suite, group, ann, others[2], "child")
    fewer = [{"code": "adult", "seats": {"max": 1}}]
    await publish_kinds(suite, kind("household", roles=fewer, shares=["tiers"], same_attribute="region"))
    read = await suite.identity.GetGroup(pb.GetGroupRequest(group_id=group))
    assert list(read.group.shares) == ["points", "benefits"]
    assert [(role.role, role.taken, role.seats) for role in read.roles] == [("owner", 1, 1), ("adult", 2, 1)]
    assert (await refusal_of(accept(suite, invitation, others[2]))).reason == "GROUP_ROLE_UNKNOWN"
    assert (await refusal_of(invite(suite, group, others[0], others[2]))).reason == "GROUP_RIGHT_MISSING"
    await publish_no_kinds(suite)
    assert (await refusal_of(accept(suite, invitation, others[2]))).reason == "GROUP_KIND_UNKNOWN"
    await leave(suite, group, others[0])
    await remove(suite, group, ann, others[1])


async def test_the_other_services_read_past_what_groups_tell() -> None:
    async with start_suite() as suite:
        await publish_kinds(suite)
        ann, bob = await person(suite), await person(suite)
        group = await group_of(suite, ann)
        await join(suite, group, ann, bob)
        await leave(suite, group, bob)
        await suite.drain()
