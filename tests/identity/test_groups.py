"""The life of a group: founded, grown, passed on, dissolved."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.chassis import ids
from tessera.errors import error_of_status
from tessera.identity.v1 import group_pb2 as pb
from tests.identity.builders import close, get_member, request_id, suspend
from tests.identity.groups import (
    accept,
    asked,
    cancel,
    change_role,
    decline,
    dissolve,
    found,
    get_group,
    group_of,
    invitations_of,
    invite,
    inviting,
    join,
    leave,
    person,
    publish_kinds,
    remove,
    roles_of,
    transfer,
)
from tests.identity.identifiers import add
from tests.identity.identifiers import remove as remove_identifier
from tests.identity.test_personal_data import dump, traces_of
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_MEMBER = ids.encode("member", ids.new_id(7))
NO_GROUP = ids.encode("group", ids.new_id(7))
NO_INVITATION = ids.encode("invitation", ids.new_id(7))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    """Identity with kinds of groups published."""
    async with start_suite("identity") as started:
        await publish_kinds(started)
        yield started


async def test_who_founds_a_group_owns_it(suite: Suite) -> None:
    ann = await person(suite)
    answer = await found(suite, ann)
    group = answer.group
    assert (group.kind, group.status, group.owner_member_id) == ("household", pb.GROUP_STATUS_ACTIVE, ann)
    assert list(group.shares) == ["points", "benefits"]
    assert (answer.seat.role, answer.seat.member_id) == ("owner", ann)
    read = await get_group(suite, group.group_id)
    assert read.group == group
    assert [(role.role, role.taken, role.seats) for role in read.roles] == [
        ("owner", 1, 1),
        ("adult", 0, 2),
        ("child", 0, 3),
    ]
    assert list((await get_member(suite, ann)).seats) == [answer.seat]


async def test_a_group_and_all_that_is_its_routes_like_its_founder(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    invitation = await asked(suite, group, ann, bob)
    routings = {ids.routing_of(ids.decode(*text)) for text in (("member", ann), ("group", group))}
    assert routings == {ids.routing_of(ids.decode("invitation", invitation))}


async def test_who_is_asked_and_accepts_is_in(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    invitation = (await invite(suite, group, ann, bob)).invitation
    assert (invitation.status, invitation.invited_by_member_id) == (pb.INVITATION_STATUS_OPEN, ann)
    assert await roles_of(suite, group) == {ann: "owner"}
    answer = await accept(suite, invitation.invitation_id, bob)
    assert await roles_of(suite, group) == {ann: "owner", bob: "adult"}
    assert list((await get_member(suite, bob)).seats) == [answer.seat]
    for of in ({"group_id": group}, {"member_id": bob}):
        (kept,) = await invitations_of(suite, **of)
        assert kept.status == pb.INVITATION_STATUS_ACCEPTED
        assert kept.closed_at == answer.seat.joined_at


async def test_an_answer_says_where_each_half_was_committed(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    answer = await invite(suite, await group_of(suite, ann), ann, bob)
    request = pb.ListInvitationsRequest(member_id=bob, at_least=[answer.position, answer.member_position])
    assert len((await suite.identity.ListInvitations(request)).invitations) == 1


async def test_who_declines_is_not_in_and_can_be_asked_again(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    invitation = await asked(suite, group, ann, bob)
    assert (await decline(suite, invitation, bob)).invitation.status == pb.INVITATION_STATUS_DECLINED
    refusal = await refusal_of(accept(suite, invitation, bob))
    assert (refusal.reason, dict(refusal.metadata)) == ("INVITATION_NOT_OPEN", {"status": "declined"})
    await join(suite, group, ann, bob)


async def test_what_was_taken_back_cannot_be_accepted(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    invitation = await asked(suite, await group_of(suite, ann), ann, bob)
    await cancel(suite, invitation, ann)
    for late in (accept(suite, invitation, bob), decline(suite, invitation, bob), cancel(suite, invitation, ann)):
        assert dict((await refusal_of(late)).metadata) == {"status": "cancelled"}


async def test_nobody_accepts_for_another(suite: Suite) -> None:
    ann, bob, cy = [await person(suite) for _ in range(3)]
    invitation = await asked(suite, await group_of(suite, ann), ann, bob)
    assert (await refusal_of(accept(suite, invitation, cy))).reason == "INVITATION_UNKNOWN"
    assert (await refusal_of(decline(suite, invitation, cy))).reason == "INVITATION_UNKNOWN"
    assert (await refusal_of(accept(suite, NO_INVITATION, bob))).reason == "INVITATION_UNKNOWN"


async def test_nobody_is_asked_twice_or_though_in(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    invitation = await asked(suite, group, ann, bob)
    refusal = await refusal_of(invite(suite, group, ann, bob, "child"))
    assert (refusal.reason, dict(refusal.metadata)) == ("INVITATION_EXISTS", {"invitation_id": invitation})
    await accept(suite, invitation, bob)
    assert (await refusal_of(invite(suite, group, ann, bob))).reason == "GROUP_MEMBER_ALREADY"


async def test_a_role_has_so_many_seats(suite: Suite) -> None:
    ann, *others = [await person(suite) for _ in range(4)]
    group = await group_of(suite, ann)
    invitations = [await asked(suite, group, ann, one) for one in others]
    for invitation, one in zip(invitations[:2], others[:2], strict=True):
        await accept(suite, invitation, one)
    for late in (accept(suite, invitations[2], others[2]), invite(suite, group, ann, await person(suite))):
        refusal = await refusal_of(late)
        assert (refusal.reason, dict(refusal.metadata)) == ("GROUP_SEATS_TAKEN", {"role": "adult", "seats": "2"})
    await leave(suite, group, others[0])
    await accept(suite, invitations[2], others[2])


async def test_a_member_is_in_so_many_groups_of_a_kind(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    await found(suite, bob)
    invitation = await asked(suite, await group_of(suite, ann), ann, bob)
    for late in (accept(suite, invitation, bob), found(suite, bob)):
        refusal = await refusal_of(late)
        assert (refusal.reason, dict(refusal.metadata)) == ("GROUP_LIMIT", {"kind": "household", "limit": "1"})
    for _ in range(3):
        await found(suite, bob, "club")


async def test_only_roles_with_the_right_may(suite: Suite) -> None:
    ann, bob, cy, stranger = [await person(suite) for _ in range(4)]
    group = await group_of(suite, ann)
    await join(suite, group, ann, bob)
    invitation = await asked(suite, group, bob, cy, "child")
    await accept(suite, invitation, cy)
    for refused, right, role in (
        (invite(suite, group, cy, stranger), "invite", "child"),
        (remove(suite, group, bob, cy), "remove", "adult"),
        (change_role(suite, group, bob, cy, "adult"), "change-role", "adult"),
        (transfer(suite, group, bob, bob), "transfer", "adult"),
        (dissolve(suite, group, bob), "dissolve", "adult"),
        (invite(suite, group, stranger, stranger), "invite", ""),
        (dissolve(suite, group, stranger), "dissolve", ""),
    ):
        refusal = await refusal_of(refused)
        assert refusal.reason == "GROUP_RIGHT_MISSING"
        assert dict(refusal.metadata) == {"right": right, "role": role}


async def test_an_operator_may_act_in_nobodys_name(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    invitation = (await invite(suite, group, "", bob)).invitation
    assert invitation.invited_by_member_id == ""
    await accept(suite, invitation.invitation_id, bob)
    await suspend(suite, ann)
    assert (await refusal_of(transfer(suite, group, ann, bob))).reason == "MEMBER_SUSPENDED"
    assert (await refusal_of(dissolve(suite, group, ann))).reason == "MEMBER_SUSPENDED"
    await transfer(suite, group, "", bob)
    assert await roles_of(suite, group) == {ann: "adult", bob: "owner"}


async def test_owner_and_heir_swap_their_roles(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    await join(suite, group, ann, bob, "child")
    answer = await transfer(suite, group, ann, bob)
    assert (answer.group.owner_member_id, answer.seat.role, answer.former_owner_seat.role) == (bob, "owner", "child")
    assert await roles_of(suite, group) == {ann: "child", bob: "owner"}
    assert [seat.role for seat in (await get_member(suite, ann)).seats] == ["child"]
    await leave(suite, group, ann)


async def test_an_owner_goes_only_when_somebody_else_owns_the_group(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    await join(suite, group, ann, bob)
    for refused in (
        leave(suite, group, ann),
        remove(suite, group, ann, ann),
        change_role(suite, group, ann, ann, "adult"),
        transfer(suite, group, ann, ann),
        close(suite, ann),
    ):
        refusal = await refusal_of(refused)
        assert (refusal.reason, dict(refusal.metadata)) == ("GROUP_OWNER", {"group_id": group})
    await transfer(suite, group, ann, bob)
    await close(suite, ann)
    assert await roles_of(suite, group) == {bob: "owner"}


async def test_a_closed_member_has_left_its_groups(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    clubs = [await group_of(suite, ann, "club") for _ in range(3)]
    for club in clubs:
        await join(suite, club, ann, bob, "guest")
    await close(suite, bob)
    assert [await roles_of(suite, club) for club in clubs] == [{ann: "owner"}] * 3
    assert list((await get_member(suite, bob)).seats) == []
    assert (await refusal_of(invite(suite, clubs[0], ann, bob, "guest"))).reason == "MEMBER_CLOSED"


async def test_a_suspended_member_may_go_but_not_come(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    club, other = await group_of(suite, ann, "club"), await group_of(suite, ann, "club")
    await join(suite, club, ann, bob, "steward")
    invitation = await asked(suite, other, ann, bob, "guest")
    await suspend(suite, bob)
    for refused in (
        found(suite, bob),
        accept(suite, invitation, bob),
        invite(suite, other, ann, bob, "guest"),
        invite(suite, club, bob, await person(suite), "guest"),
        remove(suite, club, bob, bob),
        transfer(suite, club, ann, bob),
    ):
        assert (await refusal_of(refused)).reason == "MEMBER_SUSPENDED"
    await decline(suite, invitation, bob)
    await leave(suite, club, bob)


async def test_a_dissolved_group_frees_everybody(suite: Suite) -> None:
    ann, bob, cy = [await person(suite) for _ in range(3)]
    club = await group_of(suite, ann, "club")
    await join(suite, club, ann, bob, "guest")
    invitation = await asked(suite, club, ann, cy, "guest")
    answer = await dissolve(suite, club, ann)
    assert answer.group.status == pb.GROUP_STATUS_DISSOLVED
    assert {seat.member_id for seat in answer.seats} == {ann, bob}
    assert await roles_of(suite, club) == {}
    for one in (ann, bob):
        assert list((await get_member(suite, one)).seats) == []
    assert dict((await refusal_of(accept(suite, invitation, cy))).metadata) == {"status": "cancelled"}
    for refused in (dissolve(suite, club, ann), leave(suite, club, bob), invite(suite, club, ann, cy, "guest")):
        assert (await refusal_of(refused)).reason == "GROUP_DISSOLVED"
    read = await get_group(suite, club)
    assert not read.complete
    former = await suite.identity.ListGroupMembers(pb.ListGroupMembersRequest(group_id=club, include_former=True))
    assert {seat.member_id: seat.left_at for seat in former.seats} == dict.fromkeys(
        (ann, bob), answer.group.dissolved_at
    )


async def test_a_minimum_holds_once_it_is_reached(suite: Suite) -> None:
    ann, *guests = [await person(suite) for _ in range(4)]
    club = await group_of(suite, ann, "club")
    await join(suite, club, ann, guests[0], "guest")
    await leave(suite, club, guests[0])
    assert not (await get_group(suite, club)).complete
    for guest in guests[:2]:
        await join(suite, club, ann, guest, "guest")
    assert (await get_group(suite, club)).complete
    for refused in (
        leave(suite, club, guests[0]),
        remove(suite, club, ann, guests[0]),
        change_role(suite, club, ann, guests[0], "steward"),
    ):
        refusal = await refusal_of(refused)
        assert (refusal.reason, dict(refusal.metadata)) == ("GROUP_SEATS_MINIMUM", {"role": "guest", "minimum": "2"})
    await join(suite, club, ann, guests[2], "guest")
    await leave(suite, club, guests[0])
    await close(suite, guests[1])


async def test_a_role_is_changed_where_a_seat_is_free(suite: Suite) -> None:
    ann, *others = [await person(suite) for _ in range(4)]
    group = await group_of(suite, ann)
    for one, role in zip(others, ("adult", "adult", "child"), strict=True):
        await join(suite, group, ann, one, role)
    assert (await refusal_of(change_role(suite, group, ann, others[2], "adult"))).reason == "GROUP_SEATS_TAKEN"
    await change_role(suite, group, ann, others[0], "child")
    answer = await change_role(suite, group, ann, others[2], "adult")
    assert answer.seat.role == "adult"
    assert [seat.role for seat in (await get_member(suite, others[2])).seats] == ["adult"]
    assert (await refusal_of(change_role(suite, group, ann, others[2], "uncle"))).reason == "GROUP_ROLE_UNKNOWN"
    stranger = await person(suite)
    assert (await refusal_of(change_role(suite, group, ann, stranger, "child"))).reason == "GROUP_MEMBER_UNKNOWN"


async def test_members_of_a_group_agree_in_an_attribute(suite: Suite) -> None:
    ann, bob = [await person(suite, attributes={"region": "suzhou"}) for _ in range(2)]
    elsewhere, nowhere = await person(suite, attributes={"region": "wuxi"}), await person(suite)
    group = await group_of(suite, ann, "region-club")
    await join(suite, group, ann, bob)
    for one in (elsewhere, nowhere):
        refusal = await refusal_of(join(suite, group, ann, one))
        assert (refusal.reason, dict(refusal.metadata)) == ("GROUP_ATTRIBUTE_DIFFERS", {"attribute": "region"})
    assert (await refusal_of(found(suite, nowhere, "region-club"))).reason == "GROUP_ATTRIBUTE_DIFFERS"
    rows = await dump(suite.dsns["identity"])
    assert "region-club" in rows
    assert [trace for value in ("suzhou", "region\0suzhou") for trace in traces_of(value) if trace in rows] == []


async def test_members_of_a_group_live_at_the_address_where_its_founder_was_last_seen(suite: Suite) -> None:
    ann, bob, moved, nowhere = [await person(suite) for _ in range(4)]
    home, before = f"7 Lake Road, flat {ann[-9:]}", f"1 Hill Street, flat {ann[-9:]}"
    for address in (before, home):
        await add(suite, ann, address, "address")
    group = await group_of(suite, ann, "neighbours")
    for address in (home.upper(), before):
        await add(suite, bob, address, "address")
    await join(suite, group, ann, bob)
    await add(suite, moved, before, "address")
    removed = (await add(suite, moved, home, "address")).identifier.identifier_id
    await remove_identifier(suite, removed)
    for one in (moved, nowhere):
        refusal = await refusal_of(join(suite, group, ann, one))
        assert (refusal.reason, dict(refusal.metadata)) == ("GROUP_IDENTIFIER_DIFFERS", {"type": "address"})
    assert (await refusal_of(found(suite, nowhere, "neighbours"))).reason == "GROUP_IDENTIFIER_DIFFERS"
    rows = await dump(suite.dsns["identity"])
    assert [trace for trace in traces_of(f"identifier.address\0{home}") if trace in rows] == []


async def test_an_address_beyond_the_limit_opens_no_group(suite: Suite) -> None:
    ann, collector = await person(suite), await person(suite)
    addresses = [f"{number} Lake Road, flat {ann[-9:]}" for number in range(3)]
    await add(suite, ann, addresses[0], "address")
    group = await group_of(suite, ann, "neighbours")
    for address in addresses:  # the first of three is demoted, since two may be held
        await add(suite, collector, address, "address")
    assert (await refusal_of(join(suite, group, ann, collector))).reason == "GROUP_IDENTIFIER_DIFFERS"


async def test_an_enterprise_keeps_labels_and_cost_centres(suite: Suite) -> None:
    boss, staff = await person(suite), [await person(suite) for _ in range(3)]
    firm = (await found(suite, boss, "enterprise", cost_centre="board")).group.group_id
    requests = [
        inviting(firm, boss, one, "employee", label=f"seat-{number}", cost_centre="sales")
        for number, one in enumerate(staff)
    ]
    requests += [inviting(firm, boss, NO_MEMBER, "employee"), inviting(firm, boss, staff[0], "owner")]
    bulk = await suite.identity.BulkInviteToGroup(pb.BulkInviteToGroupRequest(requests=requests))
    reasons = [error_of_status(r.error).reason if r.HasField("error") else "" for r in bulk.results]
    assert reasons == ["", "", "", "MEMBER_UNKNOWN", "INVALID_REQUEST"]
    seats = [
        (await accept(suite, result.response.invitation.invitation_id, one)).seat
        for result, one in zip(bulk.results, staff, strict=False)
    ]
    assert [(seat.label, seat.cost_centre) for seat in seats] == [(f"seat-{n}", "sales") for n in range(3)]
    moved = await change_role(suite, firm, boss, staff[0], "employee", label="seat-9", cost_centre="research")
    assert (moved.seat.label, moved.seat.cost_centre) == ("seat-9", "research")
    assert moved.seat.role_since == seats[0].role_since
    ann = await person(suite)
    household = await group_of(suite, ann)
    for refused in (
        found(suite, staff[1], label="desk"),
        invite(suite, household, ann, staff[1], "adult", cost_centre="x"),
    ):
        assert (await refusal_of(refused)).reason == "SUB_ACCOUNTS_NOT_KEPT"


async def test_a_dry_run_says_the_same_and_does_nothing(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    dry = await found(suite, ann, validate_only=True)
    assert (dry.group.group_id, dry.seat.seat_id, dry.HasField("position")) == ("", "", False)
    group = await group_of(suite, ann)
    assert not (await invite(suite, group, ann, bob, validate_only=True)).invitation.invitation_id
    invitation = await asked(suite, group, ann, bob)
    await accept(suite, invitation, bob, validate_only=True)
    await decline(suite, invitation, bob, validate_only=True)
    await cancel(suite, invitation, ann, validate_only=True)
    await accept(suite, invitation, bob)
    await leave(suite, group, bob, validate_only=True)
    await remove(suite, group, ann, bob, validate_only=True)
    await change_role(suite, group, ann, bob, "child", validate_only=True)
    await transfer(suite, group, ann, bob, validate_only=True)
    await dissolve(suite, group, ann, validate_only=True)
    assert await roles_of(suite, group) == {ann: "owner", bob: "adult"}


async def test_a_retry_gets_the_first_answer_again(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    names = [request_id() for _ in range(6)]
    first = await found(suite, ann, request_id=names[0])
    group = first.group.group_id
    request = inviting(group, ann, bob, request_id=names[1])
    invited = await suite.identity.InviteToGroup(request)
    accepted = await accept(suite, invited.invitation.invitation_id, bob, request_id=names[2])
    transferred = await transfer(suite, group, ann, bob, request_id=names[3])
    left = await leave(suite, group, ann, request_id=names[4])
    dissolved = await dissolve(suite, group, bob, request_id=names[5])
    assert await found(suite, ann, request_id=names[0]) == first
    request.request_id = names[1]
    bulk = await suite.identity.BulkInviteToGroup(pb.BulkInviteToGroupRequest(requests=[request]))
    assert bulk.results[0].response == invited
    assert await accept(suite, invited.invitation.invitation_id, bob, request_id=names[2]) == accepted
    assert await transfer(suite, group, ann, bob, request_id=names[3]) == transferred
    assert await leave(suite, group, ann, request_id=names[4]) == left
    assert await dissolve(suite, group, bob, request_id=names[5]) == dissolved
    assert (await refusal_of(found(suite, ann, "club", request_id=names[0]))).reason == "REQUEST_ID_REUSED"


async def test_what_does_not_exist_is_refused_by_name(suite: Suite) -> None:
    ann, bob = await person(suite), await person(suite)
    group = await group_of(suite, ann)
    for refused, reason in (
        (found(suite, NO_MEMBER), "MEMBER_UNKNOWN"),
        (found(suite, bob, "clan"), "GROUP_KIND_UNKNOWN"),
        (invite(suite, NO_GROUP, ann, bob), "GROUP_UNKNOWN"),
        (invite(suite, group, ann, NO_MEMBER), "MEMBER_UNKNOWN"),
        (invite(suite, group, ann, bob, "uncle"), "GROUP_ROLE_UNKNOWN"),
        (invite(suite, group, ann, bob, "owner"), "INVALID_REQUEST"),
        (leave(suite, NO_GROUP, ann), "GROUP_UNKNOWN"),
        (leave(suite, group, bob), "GROUP_MEMBER_UNKNOWN"),
        (remove(suite, group, ann, bob), "GROUP_MEMBER_UNKNOWN"),
        (transfer(suite, group, ann, bob), "GROUP_MEMBER_UNKNOWN"),
        (transfer(suite, NO_GROUP, ann, bob), "GROUP_UNKNOWN"),
        (dissolve(suite, NO_GROUP, ann), "GROUP_UNKNOWN"),
        (get_group(suite, NO_GROUP), "GROUP_UNKNOWN"),
        (roles_of(suite, NO_GROUP), "GROUP_UNKNOWN"),
        (invitations_of(suite, group_id=NO_GROUP), "GROUP_UNKNOWN"),
        (invitations_of(suite, member_id=NO_MEMBER), "MEMBER_UNKNOWN"),
        (invitations_of(suite), "INVALID_REQUEST"),
        (get_group(suite, "group_x"), "INVALID_REQUEST"),
    ):
        assert (await refusal_of(refused)).reason == reason


async def test_pages_show_everything_once(suite: Suite) -> None:
    ann, others = await person(suite), [await person(suite) for _ in range(5)]
    club = await group_of(suite, ann, "club")
    for one in others:
        await join(suite, club, ann, one, "guest")
    members, asked_for = [], []
    seats = pb.ListGroupMembersRequest(group_id=club, page_size=4)
    invitations = pb.ListInvitationsRequest(group_id=club, page_size=2, status=pb.INVITATION_STATUS_ACCEPTED)
    while True:
        page = await suite.identity.ListGroupMembers(seats)
        members += [seat.member_id for seat in page.seats]
        seats.page_token = page.next_page_token
        if not seats.page_token:
            break
    while True:
        listed = await suite.identity.ListInvitations(invitations)
        asked_for += [invitation.member_id for invitation in listed.invitations]
        invitations.page_token = listed.next_page_token
        if not invitations.page_token:
            break
    assert sorted(members) == sorted([ann, *others])
    assert sorted(asked_for) == sorted(others)
    assert await invitations_of(suite, group_id=club, status=pb.INVITATION_STATUS_OPEN) == []
