"""What people consent to, what is exported of a member, and what is left of one that was erased: nothing."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tessera.identity.v1 import group_pb2, merge_pb2, privacy_pb2
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.identity.builders import (
    close,
    domain,
    enrol,
    external_id,
    get_member,
    link,
    programme,
    reinstate,
    request_id,
    resolve,
    suspend,
)
from tests.identity.groups import found, invite, kind
from tests.identity.test_personal_data import dump, traces_of
from tests.support.refusals import refusal_of
from tests.support.suite import CLOCK_START, Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")

PURPOSE = {"name": "Profile", "default": "denied", "needed_for": ["attributes", "external-ids"]}
STITCHING = {"name": "One member", "default": "granted", "needed_for": ["stitching"]}


def purpose(code: str, **spec: Any) -> dict[str, Any]:
    return {"kind": "purpose", "code": code, "programme": "shop", "spec": spec}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    """Identity alone, with purposes, groups and ten days in which it is known who was erased."""
    async with start_suite("identity") as started:
        erasure = {"kind": "erasure", "code": "shop", "programme": "shop", "spec": {"once_per_person_days": 10}}
        await started.publish(
            "identity",
            programme(),
            domain("fuel"),
            domain("grocery"),
            domain("travel", accounts_per_member="unlimited"),
            kind("household"),
            kind(
                "enterprise",
                roles=[{"code": "employee", "seats": {"max": 200}}],
                groups_per_member="unlimited",
                sub_accounts=True,
            ),
            purpose("profile", **PURPOSE),
            purpose("one-member", **STITCHING),
            erasure,
        )
        yield started


def consent(member_id: str, granted: bool, code: str = "profile", **fields: Any) -> privacy_pb2.SetConsentRequest:
    fields.setdefault("request_id", request_id())
    fields.setdefault("domain", "grocery")
    fields.setdefault("evidence", "terms-7")
    return privacy_pb2.SetConsentRequest(member_id=member_id, purpose=code, granted=granted, **fields)


async def erase(suite: Suite, member_id: str, **fields: Any) -> privacy_pb2.EraseMemberResponse:
    fields.setdefault("request_id", request_id())
    answer: privacy_pb2.EraseMemberResponse = await suite.identity.EraseMember(
        privacy_pb2.EraseMemberRequest(member_id=member_id, **fields)
    )
    return answer


async def consents(suite: Suite, member_id: str, caller: str = "operator", **fields: Any) -> Any:
    request = privacy_pb2.ListConsentsRequest(member_id=member_id, **fields)
    return await suite.stub("identity", caller).ListConsents(request)


async def test_another_domain_reads_attributes_and_external_ids_with_consent_alone(suite: Suite) -> None:
    phone = external_id()
    member = (await enrol(suite, phone, attributes={"region": "south"})).member_id
    shown = await get_member(suite, member, "fuel")
    assert (dict(shown.attributes), shown.accounts[0].external_id) == ({}, "")
    await suite.identity.SetConsent(consent(member, True))
    shown = await get_member(suite, member, "fuel")
    assert (dict(shown.attributes), shown.accounts[0].external_id) == ({"region": "south"}, phone)
    await suite.identity.SetConsent(consent(member, False))
    shown = await get_member(suite, member, "fuel")
    assert (dict(shown.attributes), shown.accounts[0].external_id) == ({}, "")


async def test_no_business_gives_itself_the_data_of_another(suite: Suite) -> None:
    member = (await enrol(suite)).member_id
    fuel = suite.stub("identity", "fuel")
    assert (await refusal_of(fuel.SetConsent(consent(member, True)))).reason == "DOMAIN_NOT_ALLOWED"
    through = consent(member, True, domain="fuel", through_domain="grocery")
    assert (await refusal_of(fuel.SetConsent(through))).reason == "DOMAIN_NOT_ALLOWED"


async def test_decisions_are_kept_with_who_when_and_through_which_domain(suite: Suite) -> None:
    member = (await enrol(suite)).member_id
    listed = await consents(suite, member)
    assert [(one.purpose, one.granted, one.HasField("decided_at")) for one in listed.consents] == [
        ("one-member", True, False),
        ("profile", False, False),
    ]
    first = await suite.identity.SetConsent(consent(member, True, through_domain="travel"))
    again = await suite.identity.SetConsent(consent(member, True, through_domain="travel"))
    assert (first.changed, again.changed, again.HasField("position")) == (True, False, False)
    await suite.identity.SetConsent(consent(member, False, evidence="call-12"))
    listed = await consents(suite, member, page_size=1)
    (before,) = listed.history
    assert (before.granted, before.through_domain, before.caller, before.evidence) == (
        True,
        "travel",
        "operator",
        "terms-7",
    )
    (after,) = (await consents(suite, member, page_size=1, page_token=listed.next_page_token)).history
    assert (after.granted, after.evidence) == (False, "call-12")
    assert not (await consents(suite, member, "fuel")).history


async def test_accounts_are_not_stitched_against_the_persons_will(suite: Suite) -> None:
    member = (await enrol(suite)).member_id
    await suite.identity.SetConsent(consent(member, False, "one-member"))
    refusal = await refusal_of(suite.identity.LinkAccount(link(member, external_id())))
    assert (refusal.reason, refusal.metadata["domain"]) == ("CONSENT_MISSING", "grocery")
    await suite.identity.SetConsent(consent(member, True, "one-member"))
    await suite.identity.LinkAccount(link(member, external_id()))


async def test_a_decision_names_a_purpose_and_a_domain_that_there_are(suite: Suite) -> None:
    member = (await enrol(suite)).member_id
    items = [
        consent(member, True, "nothing"),
        consent(member, True, domain="nowhere"),
        consent("member_7zzzzzzzzzzzzzzzzzzzzzzzzz", True),
        consent(member, True),
    ]
    answer = await suite.identity.BulkSetConsents(privacy_pb2.BulkSetConsentsRequest(requests=items))
    assert [result.WhichOneof("result") for result in answer.results] == ["error"] * 3 + ["response"]
    assert (await refusal_of(suite.identity.SetConsent(items[0]))).reason == "PURPOSE_UNKNOWN"


async def export(suite: Suite, member_id: str) -> list[tuple[str, dict[str, Any]]]:
    call = suite.identity.ExportMember(privacy_pb2.ExportMemberRequest(member_id=member_id))
    return [(record.kind, json.loads(record.record_json)) async for record in call]


async def test_an_export_has_everything_that_identity_holds_in_clear(suite: Suite) -> None:
    phone, card = external_id(), external_id()
    member = (await enrol(suite, phone, attributes={"region": "north"})).member_id
    linked = await suite.identity.LinkAccount(link(member, card))
    await suite.identity.UnlinkAccount(
        pb.UnlinkAccountRequest(request_id=request_id(), account_id=linked.account.account_id)
    )
    await found(suite, member, "enterprise", label="e-4711", cost_centre="c-12")
    await suite.identity.SetConsent(consent(member, True))
    records = await export(suite, member)
    assert [name for name, _ in records] == ["member", "account", "account", "seat", "consent"]
    text = json.dumps(records)
    assert all(value in text for value in (phone, card, "north", "e-4711", "c-12", "terms-7", "unlinked_at"))


async def test_nothing_is_left_of_an_erased_member(suite: Suite) -> None:
    phone, card = external_id() + "-erased", external_id() + "-erased"
    member = (await enrol(suite, phone, attributes={"region": "region-of-nobody"})).member_id
    await suite.identity.LinkAccount(link(member, card))
    answer = await erase(suite, member)
    assert answer.position.position
    rows = await dump(suite.dsns["identity"])
    for text in (phone, card, "region-of-nobody"):
        assert [trace for trace in traces_of(text) if trace in rows] == []
    for call in (
        get_member(suite, member),
        erase(suite, member),
        suspend(suite, member),
        reinstate(suite, member),
        close(suite, member),
        consents(suite, member),
        found(suite, member),
        suite.identity.LinkAccount(link(member, external_id())),
        suite.identity.SetConsent(consent(member, True)),
        export(suite, member),
        suite.identity.ListInvitations(group_pb2.ListInvitationsRequest(member_id=member)),
    ):
        assert (await refusal_of(call)).reason == "MEMBER_ERASED"
    again = await enrol(suite, phone)
    assert (again.created, again.member_id != member) == (True, True)


async def test_nothing_is_left_of_what_an_organisation_calls_a_member(suite: Suite) -> None:
    owner, member = [(await enrol(suite)).member_id for _ in range(2)]
    group = (await found(suite, owner, "enterprise")).group.group_id
    asked = await invite(
        suite, group, owner, member, "employee", label="label-of-nobody", cost_centre="centre-of-nobody"
    )
    accepting = group_pb2.AcceptInvitationRequest(
        request_id=request_id(), member_id=member, invitation_id=asked.invitation.invitation_id
    )
    seat = (await suite.identity.AcceptInvitation(accepting)).seat
    assert (seat.label, seat.cost_centre) == ("label-of-nobody", "centre-of-nobody")
    assert "label-of-nobody" in await dump(suite.dsns["identity"])
    await erase(suite, member)
    rows = await dump(suite.dsns["identity"])
    for text in ("label-of-nobody", "centre-of-nobody"):
        assert [trace for trace in traces_of(text) if trace in rows] == []


async def test_an_erasure_that_is_sent_again_has_its_first_answer(suite: Suite) -> None:
    member = (await enrol(suite)).member_id
    dry = await erase(suite, member, validate_only=True)
    assert not dry.HasField("position")
    first = await erase(suite, member, request_id="erase-once")
    assert await erase(suite, member, request_id="erase-once") == first


async def test_who_owns_a_group_is_not_erased(suite: Suite) -> None:
    member = (await enrol(suite)).member_id
    await found(suite, member)
    assert (await refusal_of(erase(suite, member))).reason == "GROUP_OWNER"
    preview = await suite.identity.PreviewErasure(privacy_pb2.PreviewErasureRequest(member_id=member))
    assert [(blocker.service, blocker.code) for blocker in preview.blockers] == [("identity", "GROUP_OWNER")]


async def test_a_member_is_erased_with_those_that_were_merged_into_it(suite: Suite) -> None:
    phones = [external_id() + "-merged" for _ in range(2)]
    one, other = [(await enrol(suite, phone, domain="travel")).member_id for phone in phones]
    merge = merge_pb2.MergeMembersRequest(
        request_id=request_id(), survivor_id=one, merged_id=other, cause="same-person"
    )
    await suite.identity.MergeMembers(merge)
    await erase(suite, other)
    for member in (one, other):
        assert (await refusal_of(get_member(suite, member))).reason == "MEMBER_ERASED"
    for phone in phones:
        assert (await refusal_of(suite.identity.ResolveAccount(resolve(phone, domain="travel")))).reason == (
            "ACCOUNT_UNKNOWN"
        )


async def returning_to(suite: Suite, member_id: str) -> list[str]:
    request = privacy_pb2.CheckReturningMemberRequest(member_id=member_id)
    answer = await suite.identity.CheckReturningMember(request)
    return [one.programme for one in answer.returning_to]


async def test_that_a_person_was_here_is_known_for_ten_days(suite: Suite) -> None:
    phone = external_id()
    await erase(suite, (await enrol(suite, phone)).member_id)
    member = (await enrol(suite, phone)).member_id
    assert await returning_to(suite, member) == ["shop"]
    assert await returning_to(suite, (await enrol(suite)).member_id) == []
    await suite.advance(CLOCK_START + timedelta(days=12))
    assert await returning_to(suite, member) == []
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        assert await connection.fetchval("SELECT count(*) FROM person_keys") == 0
    finally:
        await connection.close()
