"""Reading members."""

import pytest

from services.chassis import ids
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.identity.builders import enrol, external_id, get_member, link, reinstate, suspend, unlink
from tests.support.refusals import refusal_of
from tests.support.suite import CLOCK_START, Suite

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def pages(suite: Suite, size: int, status: pb.MemberStatus = pb.MEMBER_STATUS_UNSPECIFIED) -> list[list[str]]:
    found, token = [], ""
    while True:
        request = pb.ListMembersRequest(page_size=size, page_token=token, status=status)
        answer = await suite.identity.ListMembers(request)
        found.append([member.member_id for member in answer.members])
        token = answer.next_page_token
        if not token:
            return found


async def test_a_member_is_shown_with_its_attributes_and_accounts(suite: Suite) -> None:
    phone, card = external_id(), external_id()
    enrolled = await enrol(suite, phone, attributes={"region": "苏州", "language": "zh"}, verified=True)
    linked = await suite.identity.LinkAccount(link(enrolled.member_id, card))
    member = await get_member(suite, enrolled.member_id)
    assert member.member_id == enrolled.member_id
    assert dict(member.attributes) == {"region": "苏州", "language": "zh"}
    assert member.enrolled_at.ToDatetime(tzinfo=CLOCK_START.tzinfo) == CLOCK_START
    first, second = member.accounts
    assert (first.account_id, first.domain, first.external_id, first.verified) == (
        enrolled.account_id,
        "grocery",
        phone,
        True,
    )
    assert second == linked.account
    await unlink(suite, first.account_id)
    assert list((await get_member(suite, enrolled.member_id)).accounts) == [second]


async def test_external_ids_are_shown_only_to_those_who_may_act_in_the_domain(suite: Suite) -> None:
    enrolled, card = await enrol(suite), external_id()
    await suite.identity.LinkAccount(link(enrolled.member_id, card))
    accounts = (await get_member(suite, enrolled.member_id, "fuel")).accounts
    assert [(account.domain, account.external_id) for account in accounts] == [("grocery", ""), ("fuel", card)]


async def test_a_member_that_does_not_exist_is_unknown(suite: Suite) -> None:
    refusal = await refusal_of(get_member(suite, ids.encode("member", ids.new_id(3))))
    assert refusal.reason == "MEMBER_UNKNOWN"


async def test_members_are_listed_once_each_in_order_of_partition_and_id(suite: Suite) -> None:
    enrolled = {(await enrol(suite)).member_id for _ in range(30)}
    listed = [member for page in await pages(suite, 7) for member in page]
    assert all(len(page) == 7 for page in (await pages(suite, 7))[:-1])
    assert enrolled <= set(listed)
    order = [(ids.routing_of(ids.decode("member", member)) % 8, member) for member in listed]
    assert order == sorted(set(order))
    assert (await pages(suite, 1000)) == [listed]


async def test_members_are_listed_by_status(suite: Suite) -> None:
    suspended = {(await enrol(suite)).member_id for _ in range(5)}
    for member_id in suspended:
        await suspend(suite, member_id)
    listed = [member for page in await pages(suite, 2, pb.MEMBER_STATUS_SUSPENDED) for member in page]
    assert set(listed) == suspended
    for member_id in suspended:
        await reinstate(suite, member_id)
    assert await pages(suite, 2, pb.MEMBER_STATUS_SUSPENDED) == [[]]


async def test_a_page_token_continues_its_own_request_only(suite: Suite) -> None:
    for _ in range(3):
        await enrol(suite)
    token = (await suite.identity.ListMembers(pb.ListMembersRequest(page_size=1))).next_page_token
    for request in (
        pb.ListMembersRequest(page_token=token, status=pb.MEMBER_STATUS_ACTIVE),
        pb.ListMembersRequest(page_token="made-up"),
    ):
        assert (await refusal_of(suite.identity.ListMembers(request))).reason == "PAGE_TOKEN_INVALID"
