"""Accounts that are linked to members and taken from them."""

import asyncio

import pytest

from services.chassis import ids
from tessera.errors import error_of_status
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.identity.builders import (
    close,
    enrol,
    external_id,
    get_member,
    link,
    resolve,
    suspend,
    unlink,
)
from tests.support.refusals import refusal_of
from tests.support.suite import Suite

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_MEMBER = ids.encode("member", ids.new_id(7))
NO_ACCOUNT = ids.encode("account", ids.new_id(7))


async def test_a_linked_account_leads_to_its_member(suite: Suite) -> None:
    member = await enrol(suite)
    phone = external_id()
    linked = await suite.identity.LinkAccount(link(member.member_id, phone, verified=True))
    assert linked.created
    assert linked.account.external_id == phone
    assert linked.account.verified
    assert linked.position.partition == member.position.partition
    found = await suite.identity.ResolveAccount(resolve(phone, domain="fuel"))
    assert (found.member_id, found.account_id) == (member.member_id, linked.account.account_id)


async def test_an_account_carries_the_routing_bits_of_its_member(suite: Suite) -> None:
    member = await enrol(suite)
    linked = await suite.identity.LinkAccount(link(member.member_id, external_id()))
    assert ids.routing_of(ids.decode("account", linked.account.account_id)) == ids.routing_of(
        ids.decode("member", member.member_id)
    )


async def test_linking_again_changes_nothing_but_can_verify(suite: Suite) -> None:
    member, phone = await enrol(suite), external_id()
    first = await suite.identity.LinkAccount(link(member.member_id, phone))
    again = await suite.identity.LinkAccount(link(member.member_id, phone, verified=True))
    assert not again.created
    assert not again.HasField("position")
    assert again.account.account_id == first.account.account_id
    assert again.account.verified
    third = await suite.identity.LinkAccount(link(member.member_id, phone))
    assert third.account.verified


async def test_an_account_of_another_member_is_refused(suite: Suite) -> None:
    phone = external_id()
    await enrol(suite, phone, domain="fuel")
    other = await enrol(suite)
    refusal = await refusal_of(suite.identity.LinkAccount(link(other.member_id, phone)))
    assert refusal.reason == "ACCOUNT_LINKED_ELSEWHERE"


async def test_a_domain_says_how_many_accounts_a_member_may_have(suite: Suite) -> None:
    member = await enrol(suite)
    await suite.identity.LinkAccount(link(member.member_id, external_id()))
    refusal = await refusal_of(suite.identity.LinkAccount(link(member.member_id, external_id())))
    assert (refusal.reason, dict(refusal.metadata)) == ("DOMAIN_ACCOUNT_LIMIT", {"domain": "fuel", "limit": "1"})
    for _ in range(3):
        await suite.identity.LinkAccount(link(member.member_id, external_id(), domain="travel"))
    assert len((await get_member(suite, member.member_id)).accounts) == 5


async def test_only_active_members_are_linked(suite: Suite) -> None:
    member = await enrol(suite)
    await suspend(suite, member.member_id)
    refusal = await refusal_of(suite.identity.LinkAccount(link(member.member_id, external_id())))
    assert refusal.reason == "MEMBER_SUSPENDED"
    await close(suite, member.member_id)
    refusal = await refusal_of(suite.identity.LinkAccount(link(member.member_id, external_id())))
    assert refusal.reason == "MEMBER_CLOSED"
    refusal = await refusal_of(suite.identity.LinkAccount(link(NO_MEMBER, external_id())))
    assert refusal.reason == "MEMBER_UNKNOWN"


async def test_accounts_are_linked_in_known_domains_that_are_open_to_the_caller(suite: Suite) -> None:
    member = await enrol(suite)
    refusal = await refusal_of(suite.identity.LinkAccount(link(member.member_id, external_id(), domain="nowhere")))
    assert refusal.reason == "DOMAIN_UNKNOWN"
    fuel = suite.stub("identity", "fuel")
    refusal = await refusal_of(fuel.LinkAccount(link(member.member_id, external_id(), domain="travel")))
    assert refusal.reason == "DOMAIN_NOT_ALLOWED"
    assert (await fuel.LinkAccount(link(member.member_id, external_id()))).created


async def test_a_retry_of_linking_gets_the_first_answer_again(suite: Suite) -> None:
    member, phone = await enrol(suite), external_id()
    request = link(member.member_id, phone)
    first = await suite.identity.LinkAccount(request)
    assert await suite.identity.LinkAccount(request) == first
    bulk = await suite.identity.BulkLinkAccounts(pb.BulkLinkAccountsRequest(requests=[request]))
    assert bulk.results[0].response == first
    request.verified = True
    assert (await refusal_of(suite.identity.LinkAccount(request))).reason == "REQUEST_ID_REUSED"


async def test_a_refusal_is_repeated_as_well(suite: Suite) -> None:
    phone = external_id()
    owner = await enrol(suite, phone, domain="fuel")
    await suite.identity.LinkAccount(link(owner.member_id, external_id(), domain="travel"))
    request = link((await enrol(suite)).member_id, phone)
    assert (await refusal_of(suite.identity.LinkAccount(request))).reason == "ACCOUNT_LINKED_ELSEWHERE"
    await unlink(suite, owner.account_id)
    assert (await refusal_of(suite.identity.LinkAccount(request))).reason == "ACCOUNT_LINKED_ELSEWHERE"
    assert (await suite.identity.LinkAccount(link(request.member_id, phone))).created


async def test_a_dry_run_links_nothing(suite: Suite) -> None:
    member, phone = await enrol(suite), external_id()
    dry = await suite.identity.LinkAccount(link(member.member_id, phone, validate_only=True))
    assert dry.created
    assert (dry.account.account_id, dry.account.external_id) == ("", phone)
    assert not dry.HasField("position")
    assert (await refusal_of(suite.identity.ResolveAccount(resolve(phone, domain="fuel")))).reason == "ACCOUNT_UNKNOWN"


async def test_items_of_a_bulk_link_have_their_own_results_in_order(suite: Suite) -> None:
    member, phone = await enrol(suite), external_id()
    answer = await suite.identity.BulkLinkAccounts(
        pb.BulkLinkAccountsRequest(
            requests=[
                link(member.member_id, phone),
                link(NO_MEMBER, external_id()),
                link(member.member_id, external_id()),
                link("member_?", external_id()),
                link(member.member_id, external_id(), domain="travel"),
            ]
        )
    )
    linked, unknown, too_many, malformed, second = answer.results
    assert linked.response.account.external_id == phone
    assert error_of_status(unknown.error).reason == "MEMBER_UNKNOWN"
    assert error_of_status(too_many.error).reason == "DOMAIN_ACCOUNT_LIMIT"
    assert error_of_status(malformed.error).reason == "INVALID_REQUEST"
    assert second.response.created


async def test_of_many_members_who_claim_an_account_at_once_one_gets_it(suite: Suite) -> None:
    members = [await enrol(suite) for _ in range(20)]
    phone = external_id()
    answer = await asyncio.gather(
        *(suite.identity.LinkAccount(link(member.member_id, phone)) for member in members), return_exceptions=True
    )
    winners = [reply for reply in answer if isinstance(reply, pb.LinkAccountResponse)]
    assert len(winners) == 1
    found = await suite.identity.ResolveAccount(resolve(phone, domain="fuel"))
    assert found.account_id == winners[0].account.account_id


async def test_links_across_partitions_in_both_directions_do_not_block_each_other(suite: Suite) -> None:
    members = [await enrol(suite) for _ in range(40)]
    names = [external_id() for _ in members]
    forwards = [link(member.member_id, name) for member, name in zip(members, names, strict=True)]
    enrolments = [resolve(external_id(), create=True) for _ in range(100)]
    answers = await asyncio.gather(
        *(suite.identity.LinkAccount(request) for request in forwards),
        *(suite.identity.ResolveAccount(request) for request in enrolments),
    )
    assert all(answer.created for answer in answers)


async def test_an_unlinked_account_is_nobodys_and_can_be_linked_again(suite: Suite) -> None:
    phone = external_id()
    first, second = await enrol(suite, phone), await enrol(suite, domain="travel")
    await suite.identity.LinkAccount(link(first.member_id, external_id()))
    unlinked = await unlink(suite, first.account_id)
    assert unlinked.member_id == first.member_id
    assert (await refusal_of(suite.identity.ResolveAccount(resolve(phone)))).reason == "ACCOUNT_UNKNOWN"
    linked = await suite.identity.LinkAccount(link(second.member_id, phone, domain="grocery"))
    assert linked.account.account_id != first.account_id
    assert (await suite.identity.ResolveAccount(resolve(phone))).member_id == second.member_id


async def test_an_unlinked_account_can_enrol_a_new_member(suite: Suite) -> None:
    phone = external_id()
    first = await enrol(suite, phone)
    await suite.identity.LinkAccount(link(first.member_id, external_id()))
    await unlink(suite, first.account_id)
    second = await enrol(suite, phone)
    assert second.created
    assert second.member_id != first.member_id


async def test_a_member_keeps_its_last_account(suite: Suite) -> None:
    member = await enrol(suite)
    assert (await refusal_of(unlink(suite, member.account_id))).reason == "LAST_ACCOUNT"
    linked = await suite.identity.LinkAccount(link(member.member_id, external_id()))
    await unlink(suite, member.account_id)
    assert (await refusal_of(unlink(suite, linked.account.account_id))).reason == "LAST_ACCOUNT"


async def test_accounts_of_members_that_are_not_active_stay(suite: Suite) -> None:
    member = await enrol(suite)
    await suite.identity.LinkAccount(link(member.member_id, external_id()))
    await suspend(suite, member.member_id)
    assert (await refusal_of(unlink(suite, member.account_id))).reason == "MEMBER_SUSPENDED"
    await close(suite, member.member_id)
    assert (await refusal_of(unlink(suite, member.account_id))).reason == "MEMBER_CLOSED"


async def test_an_account_is_unlinked_once(suite: Suite) -> None:
    member = await enrol(suite)
    await suite.identity.LinkAccount(link(member.member_id, external_id()))
    first = await unlink(suite, member.account_id, request_id="unlink-once")
    assert await unlink(suite, member.account_id, request_id="unlink-once") == first
    assert (await refusal_of(unlink(suite, member.account_id))).reason == "ACCOUNT_UNKNOWN"
    assert (await refusal_of(unlink(suite, NO_ACCOUNT))).reason == "ACCOUNT_UNKNOWN"


async def test_a_dry_run_unlinks_nothing(suite: Suite) -> None:
    phone = external_id()
    member = await enrol(suite, phone)
    await suite.identity.LinkAccount(link(member.member_id, external_id()))
    dry = await unlink(suite, member.account_id, validate_only=True)
    assert dry == pb.UnlinkAccountResponse(member_id=member.member_id)
    assert (await suite.identity.ResolveAccount(resolve(phone))).member_id == member.member_id


async def test_a_caller_unlinks_only_in_its_domains(suite: Suite) -> None:
    member = await enrol(suite)
    fuel = suite.stub("identity", "fuel")
    linked = await fuel.LinkAccount(link(member.member_id, external_id()))
    request = pb.UnlinkAccountRequest(request_id="not-mine", account_id=member.account_id)
    assert (await refusal_of(fuel.UnlinkAccount(request))).reason == "DOMAIN_NOT_ALLOWED"
    request = pb.UnlinkAccountRequest(request_id="mine", account_id=linked.account.account_id)
    assert (await fuel.UnlinkAccount(request)).member_id == member.member_id
