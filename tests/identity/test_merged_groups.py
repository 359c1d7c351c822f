"""What becomes of groups when their members are merged, and when they are unmerged."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tessera.identity.v1 import group_pb2 as pb
from tests.identity.builders import get_member, request_id
from tests.identity.groups import group_of, person, publish_kinds
from tests.identity.identifiers import add
from tests.identity.merging import merge, unmerge
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    async with start_suite("identity") as started:
        await publish_kinds(started)
        yield started


async def asked(suite: Suite, group_id: str, member_id: str, role: str = "adult") -> str:
    """The invitation of a member to a group."""
    answer = await suite.identity.InviteToGroup(
        pb.InviteToGroupRequest(request_id=request_id(), group_id=group_id, member_id=member_id, role=role)
    )
    return str(answer.invitation.invitation_id)


async def accept(suite: Suite, invitation_id: str, member_id: str) -> None:
    await suite.identity.AcceptInvitation(
        pb.AcceptInvitationRequest(request_id=request_id(), invitation_id=invitation_id, member_id=member_id)
    )


async def seats(suite: Suite, group_id: str) -> dict[str, str]:
    """The roles of those who are in a group."""
    answer = await suite.identity.ListGroupMembers(pb.ListGroupMembersRequest(group_id=group_id))
    return {seat.member_id: seat.role for seat in answer.seats}


async def owner(suite: Suite, group_id: str) -> str:
    return str((await suite.identity.GetGroup(pb.GetGroupRequest(group_id=group_id))).group.owner_member_id)


async def test_the_survivor_takes_the_seat_and_gives_it_back(suite: Suite) -> None:
    founder, survivor, merged = [await person(suite) for _ in range(3)]
    group = await group_of(suite, founder)
    await accept(suite, await asked(suite, group, merged, "child"), merged)
    made = await merge(suite, survivor, merged)
    assert await seats(suite, group) == {founder: "owner", survivor: "child"}
    (seat,) = (await get_member(suite, merged)).seats
    assert (seat.group_id, seat.member_id) == (group, survivor)
    assert [moved.given_seat_id for moved in made.merge.seats] == [seat.seat_id]
    await unmerge(suite, made.merge.merge_id)
    assert await seats(suite, group) == {founder: "owner", merged: "child"}
    assert list((await get_member(suite, survivor)).seats) == []


async def test_a_group_goes_with_its_owner(suite: Suite) -> None:
    survivor, merged = await person(suite), await person(suite)
    group = await group_of(suite, merged)
    made = await merge(suite, survivor, merged)
    assert await owner(suite, group) == survivor
    third = await person(suite)
    answer = await suite.identity.InviteToGroup(
        pb.InviteToGroupRequest(
            request_id=request_id(), group_id=group, member_id=third, role="adult", acting_member_id=merged
        )
    )
    assert answer.invitation.member_id == third, "the old ID acts as the owner"
    await unmerge(suite, made.merge.merge_id)
    assert await owner(suite, group) == merged
    assert await seats(suite, group) == {merged: "owner"}


async def test_who_was_merged_lives_where_either_lived(suite: Suite) -> None:
    founder, survivor, merged = [await person(suite) for _ in range(3)]
    home = f"7 Lake Road, flat {founder[-9:]}"
    for member in (founder, merged):
        await add(suite, member, home, "address")
    group = await group_of(suite, founder, "neighbours")
    invitation = await asked(suite, group, survivor)
    assert (await refusal_of(accept(suite, invitation, survivor))).reason == "GROUP_IDENTIFIER_DIFFERS"
    await merge(suite, survivor, merged)
    await accept(suite, invitation, merged)
    assert await seats(suite, group) == {founder: "owner", survivor: "adult"}
    own = await group_of(suite, merged, "neighbours")
    assert await owner(suite, own) == survivor


async def test_nobody_has_two_seats_in_a_group(suite: Suite) -> None:
    survivor, merged, other = [await person(suite) for _ in range(3)]
    owned, joined = await group_of(suite, merged, "club"), await group_of(suite, other, "club")
    await accept(suite, await asked(suite, owned, survivor, "guest"), survivor)
    for member, role in ((survivor, "steward"), (merged, "guest")):
        await accept(suite, await asked(suite, joined, member, role), member)
    await merge(suite, survivor, merged)
    assert await seats(suite, owned) == {survivor: "owner"}
    assert await owner(suite, owned) == survivor
    assert await seats(suite, joined) == {other: "owner", survivor: "steward"}


async def test_an_invitation_is_for_whom_the_old_id_means(suite: Suite) -> None:
    founder, survivor, merged = [await person(suite) for _ in range(3)]
    group = await group_of(suite, founder)
    invitation = await asked(suite, group, merged)
    await merge(suite, survivor, merged)
    for member in (survivor, merged):
        (listed,) = (await suite.identity.ListInvitations(pb.ListInvitationsRequest(member_id=member))).invitations
        assert (listed.invitation_id, listed.member_id) == (invitation, survivor)
    await accept(suite, invitation, merged)
    assert await seats(suite, group) == {founder: "owner", survivor: "adult"}


async def test_an_invitation_of_who_is_asked_twice_is_cancelled(suite: Suite) -> None:
    founder, survivor, merged = [await person(suite) for _ in range(3)]
    group = await group_of(suite, founder)
    first, second = await asked(suite, group, survivor), await asked(suite, group, merged)
    await merge(suite, survivor, merged)
    assert (await refusal_of(accept(suite, second, merged))).reason == "INVITATION_UNKNOWN"
    await accept(suite, first, merged)


async def test_the_old_id_founds_and_leaves_groups(suite: Suite) -> None:
    founder, survivor, merged = [await person(suite) for _ in range(3)]
    await merge(suite, survivor, merged)
    group = await group_of(suite, merged, "club")
    assert await owner(suite, group) == survivor
    other = await group_of(suite, founder)
    await accept(suite, await asked(suite, other, merged), merged)
    assert await seats(suite, other) == {founder: "owner", survivor: "adult"}
    request = pb.LeaveGroupRequest(request_id=request_id(), group_id=other, member_id=merged)
    first = await suite.identity.LeaveGroup(request)
    assert await seats(suite, other) == {founder: "owner"}
    assert await suite.identity.LeaveGroup(request) == first
    dissolved = pb.DissolveGroupRequest(request_id=request_id(), group_id=group, acting_member_id=merged)
    await suite.identity.DissolveGroup(dissolved)
