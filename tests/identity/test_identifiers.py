"""Identifiers: added, verified, removed, found; too many of them, blocked ones, and those of merged members."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio

from services.chassis import ids
from services.identity.identifiers import queries
from services.identity.identifiers.values import IDENTIFIER
from tessera.errors import error_of_status
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tessera.identity.v1 import event_pb2
from tessera.identity.v1 import identifier_pb2 as pb
from tests.identity.builders import close, enrol, suspend
from tests.identity.identifiers import (
    add,
    adding,
    device,
    email,
    find,
    identifier_type,
    known_by,
    publish_types,
    remove,
    verify,
)
from tests.identity.merging import merge, unmerge
from tests.identity.test_personal_data import dump, traces_of
from tests.support.refusals import refusal_of
from tests.support.suite import CLOCK_START, Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")

HINT, EVIDENCE, PROOF = pb.IDENTIFIER_STRENGTH_HINT, pb.IDENTIFIER_STRENGTH_EVIDENCE, pb.IDENTIFIER_STRENGTH_PROOF
NOBODY = "member_7zzzzzzzzzzzzzzzzzzzzzzzzz"
NOTHING = "identifier_7zzzzzzzzzzzzzzzzzzzzzzzzz"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite() -> AsyncIterator[Suite]:
    """Identity with types of identifiers."""
    async with start_suite("identity") as started:
        await publish_types(started)
        yield started


async def member(suite: Suite) -> str:
    """A new member."""
    return str((await enrol(suite)).member_id)


async def rows(suite: Suite, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


async def test_a_member_is_known_by_what_was_added(suite: Suite) -> None:
    someone, address = await member(suite), email()
    answer = await add(suite, someone, address.upper())
    assert answer.created
    assert answer.identifier.strength == EVIDENCE
    assert not answer.identifier.value
    known = await known_by(suite, someone)
    assert list(known) == [address]
    assert known[address].identifier_id == answer.identifier.identifier_id
    assert (await find(suite, address)).member_id == someone


async def test_a_value_is_one_identifier_however_it_is_written(suite: Suite) -> None:
    someone = await member(suite)
    first = await add(suite, someone, "138 0013 8000", "phone")
    again = await add(suite, someone, "+86 (138) 0013-8000", "phone", verified=True)
    assert not again.created
    assert again.identifier.identifier_id == first.identifier.identifier_id
    assert again.identifier.strength == PROOF
    assert list(await known_by(suite, someone)) == ["+8613800138000"]
    assert (await find(suite, "0086 13800138000", "phone")).verified


async def test_a_verified_proof_is_one_and_an_unverified_is_evidence(suite: Suite) -> None:
    someone = await member(suite)
    added = await add(suite, someone, email())
    verified = await verify(suite, added.identifier.identifier_id)
    assert (added.identifier.strength, verified.identifier.strength) == (EVIDENCE, PROOF)
    assert verified.identifier.HasField("verified_at")
    assert not verified.identifier.HasField("verified_until")
    assert verified.position.position


async def test_a_removed_identifier_leads_nowhere_and_its_value_is_destroyed(suite: Suite) -> None:
    someone, address = await member(suite), email()
    identifier_id = (await add(suite, someone, address, verified=True)).identifier.identifier_id
    assert (await remove(suite, identifier_id)).member_id == someone
    assert (await refusal_of(find(suite, address))).reason == "IDENTIFIER_UNKNOWN"
    assert await known_by(suite, someone) == {}
    removed = await rows(suite, "SELECT octet_length(value) FROM identifiers WHERE removed_at IS NOT NULL")
    assert {row[0] for row in removed} == {0}
    for again in (remove(suite, identifier_id), verify(suite, identifier_id)):
        assert (await refusal_of(again)).reason == "IDENTIFIER_UNKNOWN"


async def test_a_removed_identifier_that_comes_back_is_the_same_unverified(suite: Suite) -> None:
    someone, address = await member(suite), email()
    first = await add(suite, someone, address, verified=True)
    await remove(suite, first.identifier.identifier_id)
    back = await add(suite, someone, address)
    assert back.created
    assert back.identifier.identifier_id == first.identifier.identifier_id
    assert back.identifier.strength == EVIDENCE
    assert list(await known_by(suite, someone)) == [address]
    assert (await find(suite, address)).member_id == someone


async def test_the_sixth_of_five_makes_the_weakest_a_hint() -> None:
    """E69: by strength first, then the least recently seen; a hint leads to nobody, so alone it enrols a new member."""
    async with start_suite("identity") as suite:
        await publish_types(suite)
        someone, addresses = await member(suite), [email() for _ in range(6)]
        added = [await add(suite, someone, each, verified=n < 2) for n, each in enumerate(addresses[:5])]
        await suite.advance(CLOCK_START + timedelta(days=1))
        await add(suite, someone, addresses[2])
        await add(suite, someone, addresses[3])
        sixth = await add(suite, someone, addresses[5])
        assert list(sixth.demoted_ids) == [added[4].identifier.identifier_id]
        known = await known_by(suite, someone)
        assert [each for each in addresses if known[each].demoted] == [addresses[4]]
        assert known[addresses[4]].strength == HINT
        assert (await refusal_of(find(suite, addresses[4]))).reason == "IDENTIFIER_UNKNOWN"
        assert (await find(suite, addresses[5])).member_id == someone


async def test_the_newest_is_demoted_itself_when_all_others_are_stronger(suite: Suite) -> None:
    someone = await member(suite)
    for _ in range(5):
        await add(suite, someone, email(), verified=True)
    sixth = await add(suite, someone, email())
    assert sixth.identifier.demoted
    assert list(sixth.demoted_ids) == []
    assert (await verify(suite, sixth.identifier.identifier_id)).identifier.strength == HINT


async def test_a_limit_is_not_evaded_by_removing(suite: Suite) -> None:
    someone = await member(suite)
    for _ in range(5):
        added = await add(suite, someone, email(), verified=True)
        await remove(suite, added.identifier.identifier_id)
    assert (await add(suite, someone, email(), verified=True)).identifier.demoted


async def test_a_limit_of_a_window_counts_what_is_new_in_it() -> None:
    async with start_suite("identity") as suite:
        await publish_types(suite)
        someone = await member(suite)
        first = await add(suite, someone, device(), "card")
        await suite.advance(CLOCK_START + timedelta(days=31))
        for _ in range(2):
            assert not (await add(suite, someone, device(), "card")).demoted_ids
        third = await add(suite, someone, device(), "card")
        assert len(third.demoted_ids) == 1
        assert first.identifier.identifier_id not in third.demoted_ids


async def test_a_verification_lapses() -> None:
    async with start_suite("identity") as suite:
        await publish_types(suite)
        someone = await member(suite)
        added = await add(suite, someone, "13800138001", "phone", verified=True)
        assert added.identifier.HasField("verified_until")
        await suite.advance(CLOCK_START + timedelta(days=364))
        assert (await find(suite, "13800138001", "phone")).verified
        await suite.advance(CLOCK_START + timedelta(days=366))
        found = await find(suite, "13800138001", "phone")
        assert (found.verified, found.strength) == (False, EVIDENCE)


async def test_a_device_of_several_leads_to_nobody_until_one_has_it_verified(suite: Suite) -> None:
    someone, other, shared = await member(suite), await member(suite), device()
    await add(suite, someone, shared, "device")
    added = await add(suite, other, shared, "device")
    assert (await refusal_of(find(suite, shared, "device"))).reason == "IDENTIFIER_AMBIGUOUS"
    await verify(suite, added.identifier.identifier_id)
    assert (await find(suite, shared, "device")).member_id == other


async def test_a_value_of_very_many_costs_no_more_than_one_of_many(suite: Suite) -> None:
    """Who had it verified is found among them, and a batch never reads all."""
    someone, shared = await member(suite), device()
    added = await add(suite, someone, shared, "device")
    await verify(suite, added.identifier.identifier_id)
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        partition, blind_index = await connection.fetchrow(
            "SELECT partition, blind_index FROM identifier_holders WHERE identifier_id = $1",
            ids.decode(IDENTIFIER, added.identifier.identifier_id),
        )
        await connection.execute(
            """INSERT INTO identifier_holders
               SELECT $1, $2, gen_random_uuid(), gen_random_uuid(), 'device', false FROM generate_series(1, 5000)""",
            partition,
            blind_index,
        )
        assert len(await queries.load_holders(connection, partition, [blind_index])) == queries.HOLDERS_READ
        assert len(await queries.find_holders(connection, [partition], [blind_index])) == queries.HOLDERS_READ
    finally:
        await connection.close()
    assert (await find(suite, shared, "device")).member_id == someone
    assert not (await add(suite, await member(suite), shared, "device")).match_ids


async def test_nobody_is_found_by_a_hint_or_a_type_that_is_not_for_it(suite: Suite) -> None:
    someone, kiosk = await member(suite), device()
    await add(suite, someone, kiosk, "kiosk")
    await add(suite, someone, "1 Main Street", "address")
    assert (await refusal_of(find(suite, kiosk, "kiosk"))).metadata == {"type": "kiosk"}
    assert (await refusal_of(find(suite, "1 Main Street", "address"))).reason == "IDENTIFIER_NOT_SEARCHABLE"


@pytest.mark.parametrize(
    ("type", "value", "reason"),
    [
        ("fax", "1", "IDENTIFIER_TYPE_UNKNOWN"),
        ("phone", "12", "IDENTIFIER_UNPARSEABLE"),
        ("email", "somebody@", "IDENTIFIER_UNPARSEABLE"),
        ("email", "a" * 255, "IDENTIFIER_TOO_LONG"),
        ("email", "p\u0430ul@example.org", "IDENTIFIER_CONFUSABLE"),
        ("email", "\uff41@example.org", "IDENTIFIER_NOT_NORMALISED"),
        ("device", "00000000-0000-0000-0000-000000000000", "IDENTIFIER_BLOCKED"),
        ("device", "x" * 4097, "INVALID_REQUEST"),
    ],
)
async def test_bad_input_has_its_reason_and_changes_nothing(suite: Suite, type: str, value: str, reason: str) -> None:
    someone = await member(suite)
    before = await rows(suite, "SELECT count(*) FROM identifiers")
    for call in (add(suite, someone, value, type), find(suite, value, type)):
        refusal = await refusal_of(call)
        assert refusal.reason == reason
        assert value not in f"{refusal.message} {refusal.metadata}" or len(value) < 3
    assert await rows(suite, "SELECT count(*) FROM identifiers") == before
    assert await known_by(suite, someone) == {}


async def test_who_is_not_there_or_not_served_gets_no_identifier(suite: Suite) -> None:
    suspended, closed = await member(suite), await member(suite)
    held = (await add(suite, suspended, email())).identifier.identifier_id
    await suspend(suite, suspended)
    await close(suite, closed)
    assert (await refusal_of(add(suite, NOBODY, email()))).reason == "MEMBER_UNKNOWN"
    assert (await refusal_of(add(suite, suspended, email()))).reason == "MEMBER_SUSPENDED"
    assert (await refusal_of(add(suite, closed, email()))).reason == "MEMBER_CLOSED"
    for change in (verify(suite, held), remove(suite, held)):
        assert (await refusal_of(change)).reason == "MEMBER_SUSPENDED"
    for change in (verify(suite, NOTHING), remove(suite, NOTHING)):
        assert (await refusal_of(change)).reason == "IDENTIFIER_UNKNOWN"


async def test_a_dry_run_changes_nothing(suite: Suite) -> None:
    someone, address = await member(suite), email()
    dry = await add(suite, someone, address, validate_only=True)
    assert (dry.created, dry.identifier.identifier_id, dry.position.position) == (True, "", 0)
    assert await known_by(suite, someone) == {}
    held = (await add(suite, someone, address)).identifier.identifier_id
    assert (await verify(suite, held, validate_only=True)).identifier.strength == PROOF
    await remove(suite, held, validate_only=True)
    assert (await known_by(suite, someone))[address].strength == EVIDENCE


async def test_a_repeated_request_gets_its_first_answer(suite: Suite) -> None:
    someone, address = await member(suite), email()
    request = adding(someone, address, request_id="add-once")
    first = await suite.identity.AddIdentifier(request)
    assert await suite.identity.AddIdentifier(adding(someone, address.upper(), request_id="add-once")) == first
    other = adding(someone, email(), request_id="add-once")
    assert (await refusal_of(suite.identity.AddIdentifier(other))).reason == "REQUEST_ID_REUSED"
    held = first.identifier.identifier_id
    assert await remove(suite, held, request_id="remove-once") == await remove(suite, held, request_id="remove-once")


async def test_one_value_added_by_many_at_once_is_one_identifier(suite: Suite) -> None:
    someone, address = await member(suite), email()
    answers = await asyncio.gather(*(add(suite, someone, address) for _ in range(20)))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.identifier.identifier_id for answer in answers}) == 1


async def test_an_old_id_means_the_survivor_and_an_unmerge_gives_back(suite: Suite) -> None:
    survivor, merged = await enrol(suite), await enrol(suite)
    own, brought, later = email(), email(), email()
    await add(suite, survivor.member_id, own)
    came = (await add(suite, merged.member_id, brought)).identifier.identifier_id
    merge_id = (await merge(suite, survivor.member_id, merged.member_id)).merge.merge_id
    await add(suite, merged.member_id, later)
    assert set(await known_by(suite, survivor.member_id)) == {own, brought, later}
    assert (await find(suite, brought)).member_id == survivor.member_id
    again = await add(suite, survivor.member_id, brought, verified=True)
    assert (again.created, again.identifier.identifier_id) == (False, came)
    assert (await verify(suite, came)).identifier.strength == PROOF
    await unmerge(suite, merge_id)
    assert set(await known_by(suite, survivor.member_id)) == {own, later}
    assert set(await known_by(suite, merged.member_id)) == {brought}
    assert (await find(suite, brought)).member_id == merged.member_id
    assert (await remove(suite, came)).member_id == merged.member_id


async def test_a_limit_counts_what_came_by_a_merge(suite: Suite) -> None:
    survivor, merged = await enrol(suite), await enrol(suite)
    for each in (survivor, merged):
        for _ in range(3):
            await add(suite, each.member_id, email(), verified=each is merged)
    await merge(suite, survivor.member_id, merged.member_id)
    assert len((await add(suite, survivor.member_id, email(), verified=True)).demoted_ids) == 1


async def test_values_are_shown_in_full_to_who_may_read_them() -> None:
    async with start_suite("identity") as suite:
        await publish_types(suite, identifier_type("email"), identifier_type("device", strength="evidence"))
        someone = await member(suite)
        await add(suite, someone, "somebody@example.org")
        await add(suite, someone, "short", "device")
        assert set(await known_by(suite, someone)) == {"somebody@example.org", "short"}
        assert set(await known_by(suite, someone, "reader")) == {""}
        shown = {"name": "Contact", "default": "granted", "needed_for": ["identifiers"]}
        purpose = {"kind": "purpose", "code": "contact", "programme": "shop", "spec": shown}
        await suite.publish("identity", purpose)
        assert set(await known_by(suite, someone, "reader")) == {"…rg", ""}


async def test_who_looked_for_whom_is_kept(suite: Suite) -> None:
    someone, address = await member(suite), email()
    await add(suite, someone, address)
    before = await rows(suite, "SELECT count(*) FROM lookups")
    await find(suite, address, caller="fuel")
    await refusal_of(find(suite, email(), caller="fuel"))
    kept = await rows(suite, "SELECT caller, type, member_id FROM lookups ORDER BY lookup_id")
    assert len(kept) == before[0][0] + 2
    (known,) = await rows(suite, "SELECT member_id FROM identifiers ORDER BY identifier_id DESC LIMIT 1")
    assert [tuple(row) for row in kept[-2:]] == [("fuel", "email", known[0]), ("fuel", "email", None)]


async def test_nothing_of_a_value_stands_in_tables_or_events(suite: Suite) -> None:
    someone, address = await member(suite), email()
    held = (await add(suite, someone, address, request_id="secret-add", verified=True)).identifier.identifier_id
    await find(suite, address)
    everything = await dump(suite.dsns["identity"])
    for trace in traces_of(address):
        assert trace not in everything
    cursors = [event_feed_pb2.Cursor(partition=partition) for partition in range(8)]
    answer = await suite.feed("identity").Read(event_feed_pb2.ReadRequest(cursors=cursors))
    told = [
        event_pb2.Event.FromString(event).identifier_changed
        for record in answer.records
        for event in journal_pb2.Journal.FromString(record.payload).events
    ]
    (change,) = [one for one in told if one.identifier_id == ids.decode(IDENTIFIER, held).bytes]
    assert (change.type, change.strength) == ("email", PROOF)
    assert address.encode() not in b"".join(record.payload for record in answer.records)


async def test_a_bulk_call_means_what_its_items_mean_one_by_one(suite: Suite) -> None:
    """One answer for each item, in order; a bad one leaves its neighbours alone; two members meet in one call."""
    one, other = await member(suite), await member(suite)
    mail = email()
    items = [
        adding(one, mail, verified=True),
        adding(one, "nonsense"),
        adding(NOBODY, email()),
        adding(other, mail, verified=True),
        adding(one, mail),
        adding(one, email(), "planet"),
    ]
    answer = await suite.identity.BulkAddIdentifiers(pb.BulkAddIdentifiersRequest(requests=items))
    told = [error_of_status(each.error).reason if each.HasField("error") else "" for each in answer.results]
    assert told == ["", "IDENTIFIER_UNPARSEABLE", "MEMBER_UNKNOWN", "", "", "IDENTIFIER_TYPE_UNKNOWN"]
    assert [each.response.created for each in answer.results] == [True, False, False, True, False, False]
    assert answer.results[3].response.match_ids
    again = await suite.identity.BulkAddIdentifiers(pb.BulkAddIdentifiersRequest(requests=items))
    assert again == answer


async def test_a_thousand_identifiers_are_added_in_one_call(suite: Suite) -> None:
    owner = [await member(suite) for _ in range(5)]
    items = [adding(owner[number % 5], device(), "device") for number in range(1000)]
    answer = await suite.identity.BulkAddIdentifiers(pb.BulkAddIdentifiersRequest(requests=items), timeout=60)
    refused = {error_of_status(each.error).reason for each in answer.results if each.HasField("error")}
    assert refused <= {"IDENTIFIER_LIMIT"}
    assert sum(each.response.created for each in answer.results) >= 500
