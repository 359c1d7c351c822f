"""What crosses from one domain to another, does so with the person's consent alone, and no longer than that."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.identity.builders import domain, enrol, external_id, get_member, link, programme
from tests.identity.identifiers import add, email, find, identifier_type
from tests.identity.merging import merge
from tests.identity.test_privacy import consent, purpose
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    """Identity alone, where stitching is agreed to and showing identifiers is not unless a person says otherwise."""
    async with start_suite("identity") as started:
        await started.publish(
            "identity",
            programme(),
            domain("grocery"),
            domain("fuel"),
            domain("travel", accounts_per_member="unlimited"),
            identifier_type("email"),
            purpose("one-member", name="One member", default="granted", needed_for=["stitching"]),
            purpose("contact", name="Contact", default="denied", needed_for=["identifiers"]),
        )
        yield started


async def decide(suite: Suite, member_id: str, code: str, granted: bool, **fields: Any) -> None:
    await suite.identity.SetConsent(consent(member_id, granted, code, **fields))


@pytest.mark.parametrize("who", ["survivor", "merged"])
async def test_members_are_merged_when_both_agree(suite: Suite, who: str) -> None:
    survivor = str((await enrol(suite)).member_id)
    merged = str((await enrol(suite, domain="fuel")).member_id)
    unwilling, its_domain = (survivor, "grocery") if who == "survivor" else (merged, "fuel")
    await decide(suite, unwilling, "one-member", False, domain=its_domain)
    refusal = await refusal_of(merge(suite, survivor, merged))
    assert (refusal.reason, refusal.metadata["domain"]) == ("CONSENT_MISSING", its_domain)
    assert len((await get_member(suite, survivor)).accounts) == 1
    await decide(suite, unwilling, "one-member", True, domain=its_domain)
    await merge(suite, survivor, merged)
    assert len((await get_member(suite, survivor)).accounts) == 2


async def test_members_of_one_domain_are_merged_whatever_they_have_decided(suite: Suite) -> None:
    """Nothing crosses."""
    survivor, merged = [str((await enrol(suite, domain="travel")).member_id) for _ in range(2)]
    await decide(suite, merged, "one-member", False, domain="travel")
    await merge(suite, survivor, merged)


async def test_what_a_merged_member_denied_holds_for_accounts_linked_later(suite: Suite) -> None:
    survivor, merged = [str((await enrol(suite, domain="travel")).member_id) for _ in range(2)]
    await decide(suite, merged, "one-member", False, domain="travel")
    await merge(suite, survivor, merged)
    card = external_id()
    assert (await refusal_of(suite.identity.LinkAccount(link(survivor, card)))).reason == "CONSENT_MISSING"
    await decide(suite, survivor, "one-member", True, domain="travel")
    await suite.identity.LinkAccount(link(survivor, card))


async def test_a_survivor_of_earlier_merges_is_asked_for_all_its_domains(suite: Suite) -> None:
    survivor, second, third = [
        str((await enrol(suite, domain=code)).member_id) for code in ("travel", "grocery", "travel")
    ]
    await merge(suite, survivor, second)
    await decide(suite, survivor, "one-member", False)
    refusal = await refusal_of(merge(suite, survivor, third))
    assert (refusal.reason, refusal.metadata["domain"]) == ("CONSENT_MISSING", "grocery")


async def test_identifiers_are_shown_and_lead_to_their_member_with_consent_alone(suite: Suite) -> None:
    member, address = str((await enrol(suite)).member_id), email()
    await add(suite, member, address, verified=True)
    for granted in (None, True, False):
        if granted is not None:
            await decide(suite, member, "contact", granted)
        (shown,) = (await get_member(suite, member, "fuel")).identifiers
        assert bool(shown.value) == bool(granted)
        assert shown.type == "email"
        if granted:
            assert (await find(suite, address, caller="fuel")).member_id == member
        else:
            assert (await refusal_of(find(suite, address, caller="fuel"))).reason == "IDENTIFIER_UNKNOWN"
    assert (await find(suite, address)).member_id == member


async def test_the_domain_through_which_a_member_came_reads_its_identifiers(suite: Suite) -> None:
    member, address = str((await enrol(suite, domain="fuel")).member_id), email()
    await add(suite, member, address, verified=True)
    (shown,) = (await get_member(suite, member, "fuel")).identifiers
    assert shown.value
    assert (await find(suite, address, caller="fuel")).member_id == member
