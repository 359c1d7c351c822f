"""Nothing personal is kept or told in clear: not in tables, events, kept verdicts or logs."""

import base64
from hashlib import blake2b, blake2s, sha256

import asyncpg
import pytest

from services.chassis.idempotency import identify
from tessera.events.v1 import event_feed_pb2
from tessera.identity.v1 import identity_service_pb2 as pb
from tessera.identity.v1 import identity_service_pb2_grpc
from tests.identity.builders import enrol, get_member, link, resolve
from tests.identity.processes import process_of
from tests.support.refusals import refusal_of
from tests.support.suite import Suite

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE, CARD, REGION = "+86 139 0000 7777", "card-4711-0815", "region-of-suzhou"


async def live_a_life(stub: identity_service_pb2_grpc.IdentityServiceStub, tag: str) -> None:
    """Everything that can be done with personal data, refusals and mistakes included."""
    phone, card = PHONE + tag, CARD + tag
    attributes = {"region": REGION + tag}
    member = await stub.ResolveAccount(
        resolve(phone, create=True, request_id=f"enrol{tag}", attributes=attributes, verified=True)
    )
    await stub.ResolveAccount(resolve(phone))
    request = link(member.member_id, card, request_id=f"link{tag}")
    await stub.LinkAccount(request)
    await stub.LinkAccount(request)
    await stub.GetMember(pb.GetMemberRequest(member_id=member.member_id))
    await refusal_of(stub.ResolveAccount(resolve(card, domain="nowhere", create=True)))
    await refusal_of(stub.ResolveAccount(resolve(phone, create=True, attributes={"Region": REGION})))
    await refusal_of(stub.LinkAccount(link(member.member_id, phone + "-other")))
    await refusal_of(stub.LinkAccount(link("member_7zzzzzzzzzzzzzzzzzzzzzzzzz", phone + "-other")))
    await stub.BulkLinkAccounts(pb.BulkLinkAccountsRequest(requests=[link("member", phone), request]))
    await stub.UnlinkAccount(pb.UnlinkAccountRequest(request_id=f"unlink{tag}", account_id=member.account_id))
    await stub.CloseMember(pb.CloseMemberRequest(request_id=f"close{tag}", member_id=member.member_id))


def traces_of(text: str) -> list[str]:
    """The forms in which a text could be found again, as they look in a dump of a database."""
    raw = text.encode()
    digests = [sha256(raw).hexdigest(), *(kind(raw, digest_size=16).hexdigest() for kind in (blake2b, blake2s))]
    return [text, raw.hex(), base64.b64encode(raw).decode()[:-4], *digests]


async def dump(dsn: str) -> str:
    """All rows of all tables as text."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [
            str(row[0]) for (table,) in tables for row in await connection.fetch(f"SELECT t::text FROM {table} AS t")
        ]
    finally:
        await connection.close()
    return "\n".join(rows)


async def test_no_table_holds_personal_data_in_clear(suite: Suite) -> None:
    await live_a_life(suite.identity, "-tables")
    rows = await dump(suite.dsns["identity"])
    assert "grocery" in rows
    for text in (PHONE, CARD, REGION, PHONE + "-tables", CARD + "-tables", REGION + "-tables"):
        assert [trace for trace in traces_of(text) if trace in rows] == []


async def test_no_event_holds_personal_data(suite: Suite) -> None:
    await live_a_life(suite.identity, "-events")
    cursors = [event_feed_pb2.Cursor(partition=partition) for partition in range(8)]
    answer = await suite.feed("identity").Read(event_feed_pb2.ReadRequest(cursors=cursors))
    payloads = b"".join(record.payload for record in answer.records)
    assert b"grocery" in payloads
    for text in (PHONE, CARD, REGION):
        assert text.encode() not in payloads


async def test_no_log_holds_personal_data(suite: Suite) -> None:
    async with process_of(suite, TESSERA_LOG_LEVEL="debug") as process:
        await live_a_life(process.stub, "-logs")
    assert b'"serving"' in process.output
    for text in (PHONE, CARD, REGION, "11" * 32, "22" * 32):
        assert text.encode() not in process.output


async def test_a_blind_index_cannot_be_found_without_the_key(suite: Suite) -> None:
    member = await enrol(suite, PHONE)
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        indexes = [row[0] for row in await connection.fetch("SELECT blind_index FROM routes")]
    finally:
        await connection.close()
    assert member.created
    assert blake2s(b"grocery\0" + PHONE.encode(), person=b"account", digest_size=16).digest() not in indexes


async def test_a_kept_request_cannot_be_guessed_from_its_fingerprint(suite: Suite) -> None:
    member = await enrol(suite)
    request = link(member.member_id, CARD)
    await suite.identity.LinkAccount(request)
    guessed = identify("operator", "identity.LinkAccount", request)
    rows = await dump(suite.dsns["identity"])
    assert str(guessed.key) in rows
    assert guessed.fingerprint.hex() not in rows


async def test_what_is_destroyed_with_a_members_key_is_gone(suite: Suite) -> None:
    member = await enrol(suite, PHONE + "-shredded")
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        other = await connection.fetchval("SELECT data_key FROM members LIMIT 1")
        await connection.execute("UPDATE members SET data_key = $1", bytes(len(other)))
    finally:
        await connection.close()
    assert (await refusal_of(get_member(suite, member.member_id))).reason == "INTERNAL"
    assert (await suite.identity.ResolveAccount(resolve(PHONE + "-shredded"))).member_id == member.member_id
