"""Account → member: who is known, who is enrolled, and that nobody is enrolled twice."""

import asyncio
import unicodedata

import pytest

from services.chassis import ids
from tessera.errors import error_of_status
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.identity.builders import enrol, external_id, link, resolve, unlink
from tests.identity.processes import process_of
from tests.support.refusals import refusal_of
from tests.support.suite import Suite

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def bulk(suite: Suite, *requests: pb.ResolveAccountRequest) -> list[pb.BulkResolveAccountsResponse.Result]:
    answer = await suite.identity.BulkResolveAccounts(pb.BulkResolveAccountsRequest(requests=requests))
    return list(answer.results)


async def test_an_account_never_seen_is_unknown(suite: Suite) -> None:
    refusal = await refusal_of(suite.identity.ResolveAccount(resolve(external_id())))
    assert refusal.reason == "ACCOUNT_UNKNOWN"
    assert refusal.domain == "identity.tessera"


async def test_an_account_never_seen_is_enrolled_when_that_is_wanted(suite: Suite) -> None:
    phone = external_id()
    enrolled = await enrol(suite, phone)
    assert enrolled.created
    assert enrolled.status == pb.MEMBER_STATUS_ACTIVE
    known = await suite.identity.ResolveAccount(resolve(phone))
    assert (known.member_id, known.account_id) == (enrolled.member_id, enrolled.account_id)
    assert not known.created
    assert not known.HasField("position")


async def test_ids_carry_the_routing_bits_of_the_first_account(suite: Suite) -> None:
    enrolled = await enrol(suite)
    routing = ids.routing_of(ids.decode("member", enrolled.member_id))
    assert ids.routing_of(ids.decode("account", enrolled.account_id)) == routing
    assert enrolled.position.partition == routing % 8
    assert enrolled.position.service == "identity"


async def test_the_same_name_in_another_domain_is_another_account(suite: Suite) -> None:
    phone = external_id()
    first, second = await enrol(suite, phone), await enrol(suite, phone, domain="fuel")
    assert first.member_id != second.member_id


async def test_an_external_id_is_the_same_in_every_form_of_unicode(suite: Suite) -> None:
    name = f"Zoë {external_id()}"
    enrolled = await enrol(suite, unicodedata.normalize("NFD", name))
    known = await suite.identity.ResolveAccount(resolve(unicodedata.normalize("NFC", name)))
    assert known.member_id == enrolled.member_id


async def test_nobody_is_enrolled_in_a_domain_that_is_not_configured(suite: Suite) -> None:
    for create in (False, True):
        refusal = await refusal_of(suite.identity.ResolveAccount(resolve("x", domain="nowhere", create=create)))
        assert (refusal.reason, dict(refusal.metadata)) == ("DOMAIN_UNKNOWN", {"domain": "nowhere"})


async def test_a_caller_resolves_only_in_its_domains(suite: Suite) -> None:
    fuel = suite.stub("identity", "fuel")
    phone = external_id()
    assert (await refusal_of(fuel.ResolveAccount(resolve(phone, create=True)))).reason == "DOMAIN_NOT_ALLOWED"
    assert (await fuel.ResolveAccount(resolve(phone, domain="fuel", create=True))).created
    answer = await fuel.BulkResolveAccounts(
        pb.BulkResolveAccountsRequest(requests=[resolve(phone), resolve(phone, domain="fuel")])
    )
    assert error_of_status(answer.results[0].error).reason == "DOMAIN_NOT_ALLOWED"
    assert answer.results[1].response.member_id


async def test_a_retry_of_an_enrolment_gets_the_first_answer_again(suite: Suite) -> None:
    phone = external_id()
    first = await enrol(suite, phone, request_id="enrol-once")
    assert await enrol(suite, phone, request_id="enrol-once") == first
    (in_bulk,) = await bulk(suite, resolve(phone, create=True, request_id="enrol-once"))
    assert in_bulk.response == first


async def test_a_retry_gets_the_first_answer_even_when_the_account_is_nobodys_by_then(suite: Suite) -> None:
    phone = external_id()
    first = await enrol(suite, phone, request_id="before-unlinking")
    await suite.identity.LinkAccount(link(first.member_id, external_id()))
    await unlink(suite, first.account_id)
    assert await enrol(suite, phone, request_id="before-unlinking") == first
    assert (await refusal_of(suite.identity.ResolveAccount(resolve(phone)))).reason == "ACCOUNT_UNKNOWN"


async def test_a_request_id_with_another_body_is_refused(suite: Suite) -> None:
    phone = external_id()
    await enrol(suite, phone, request_id="reused", verified=True)
    refusal = await refusal_of(enrol(suite, phone, request_id="reused"))
    assert refusal.reason == "REQUEST_ID_REUSED"


async def test_a_dry_run_enrols_nobody(suite: Suite) -> None:
    phone = external_id()
    dry = await enrol(suite, phone, validate_only=True)
    assert dry == pb.ResolveAccountResponse(created=True, status=pb.MEMBER_STATUS_ACTIVE)
    assert (await refusal_of(suite.identity.ResolveAccount(resolve(phone)))).reason == "ACCOUNT_UNKNOWN"


async def test_items_of_a_bulk_call_have_their_own_results_in_order(suite: Suite) -> None:
    known, unknown, new = await enrol(suite, "in bulk"), external_id(), external_id()
    results = await bulk(
        suite,
        resolve("in bulk"),
        resolve(unknown),
        resolve("x", domain="Not A Code"),
        resolve(new, create=True),
        resolve("x", domain="nowhere"),
        pb.ResolveAccountRequest(domain="grocery", external_id=new, create_missing=True),
        resolve("in bulk", domain="fuel", create=True),
    )
    assert results[0].response.member_id == known.member_id
    assert error_of_status(results[1].error).reason == "ACCOUNT_UNKNOWN"
    assert error_of_status(results[2].error).reason == "INVALID_REQUEST"
    assert results[3].response.created
    assert error_of_status(results[4].error).reason == "DOMAIN_UNKNOWN"
    assert error_of_status(results[5].error).reason == "INVALID_REQUEST"
    assert results[6].response.created


async def test_accounts_that_lead_nowhere_leave_those_around_them_alone(suite: Suite) -> None:
    first, last = await enrol(suite, "first of three"), await enrol(suite, "last of three")
    results = await bulk(suite, resolve("first of three"), resolve(external_id()), resolve("last of three"))
    assert [result.response.member_id for result in results] == [first.member_id, "", last.member_id]
    assert error_of_status(results[1].error).reason == "ACCOUNT_UNKNOWN"


async def test_a_bulk_call_means_what_its_items_mean_one_by_one(suite: Suite) -> None:
    phone, dry = external_id(), external_id()
    before, first, second, behind, dry_run, after_dry_run = await bulk(
        suite,
        resolve(phone),
        resolve(phone, create=True),
        resolve(phone, create=True),
        resolve(phone),
        resolve(dry, create=True, validate_only=True),
        resolve(dry),
    )
    assert error_of_status(before.error).reason == "ACCOUNT_UNKNOWN"
    assert first.response.created
    assert not second.response.created
    assert {first.response.member_id} == {second.response.member_id, behind.response.member_id}
    assert dry_run.response.created
    assert error_of_status(after_dry_run.error).reason == "ACCOUNT_UNKNOWN"


async def test_a_thousand_accounts_resolve_in_one_call(suite: Suite) -> None:
    phones = [external_id() for _ in range(1000)]
    enrolled = await bulk(suite, *(resolve(phone, create=True) for phone in phones))
    known = await bulk(suite, *(resolve(phone) for phone in reversed(phones)))
    assert all(result.response.created for result in enrolled)
    assert [result.response.member_id for result in known] == [
        result.response.member_id for result in reversed(enrolled)
    ]


async def test_a_hundred_parallel_resolves_enrol_one_member(suite: Suite) -> None:
    phone = external_id()
    answers = await asyncio.gather(*(enrol(suite, phone) for _ in range(100)))
    assert len({answer.member_id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1


async def test_two_processes_on_one_database_enrol_one_member(suite: Suite) -> None:
    phones = [external_id() for _ in range(20)]
    async with process_of(suite) as second:
        answers = await asyncio.gather(
            *(
                stub.ResolveAccount(resolve(phone, create=True))
                for phone in phones
                for stub in (suite.identity, second.stub)
                for _ in range(5)
            )
        )
    members = {answer.member_id for answer in answers}
    assert len(members) == len(phones)
    assert sum(answer.created for answer in answers) == len(phones)
