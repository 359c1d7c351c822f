"""The audit trail: what it keeps of calls, who waits for it, and that no change of it goes unseen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from grpc import aio

from services.chassis.audit import auditing, trail
from services.chassis.audit.links import Record, decode
from services.chassis.audit.trail import remove_old_links
from services.chassis.database import WriteConnection
from services.chassis.instants import timestamp
from tessera.audit.v1 import audit_service_pb2 as pb
from tessera.errors import error_of_call
from tessera.identity.v1 import identity_service_pb2 as identity_pb
from tests.identity.builders import enrol, external_id, get_member, link, publish_domains, resolve
from tests.support import access
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDENTITY = "tessera.identity.v1.IdentityService"
OK, DENIED, UNAUTHENTICATED = 0, 7, 16
MEMBER_OF_NOBODY = "member_01jd0000000000000000000000"


async def records(suite: Suite, **asked: Any) -> list[pb.AuditRecord]:
    """Those that are asked for, newest first, but for the asking itself, of which the trail has a record as well."""
    request = pb.ListAuditRecordsRequest(page_size=1000, **asked)
    await suite.audit("identity").ListAuditRecords(request)  # nobody is answered before all until then is written
    found = await suite.audit("identity").ListAuditRecords(request)
    return [record for record in found.records if ".audit." not in record.method]


async def proved(suite: Suite, **known: Any) -> pb.VerifyAuditResponse:
    answers = [answer async for answer in suite.audit("identity").VerifyAudit(pb.VerifyAuditRequest(**known))]
    final: pb.VerifyAuditResponse = answers[-1]
    return final


async def some_links(suite: Suite, count: int) -> None:
    """So many links at least."""
    enrolled = await enrol(suite)
    for _ in range(count):
        await get_member(suite, enrolled.member_id)


@asynccontextmanager
async def tampering(suite: Suite) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody who may write to the database; in the end the trail is as it was."""
    await asyncio.sleep(3 * trail.INTERVAL_S)  # everything that was noted is written
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        await connection.execute("CREATE TABLE kept AS TABLE audit; CREATE TABLE kept_head AS TABLE audit_head")
        yield connection
        await connection.execute(
            "TRUNCATE audit, audit_head; INSERT INTO audit TABLE kept; INSERT INTO audit_head TABLE kept_head;"
            "DROP TABLE kept, kept_head"
        )
    finally:
        await connection.close()


async def test_who_changed_what_for_whom_is_kept_with_the_verdict(suite: Suite) -> None:
    enrolled = await enrol(suite)
    await suite.identity.LinkAccount(link(enrolled.member_id, external_id()))
    await refusal_of(suite.identity.LinkAccount(link(MEMBER_OF_NOBODY, external_id())))
    refused, linked, created, *_ = await records(suite)
    assert (linked.caller, linked.proof, linked.method) == ("operator", "token", f"{IDENTITY}/LinkAccount")
    assert (list(linked.subjects), linked.code, linked.reason) == ([enrolled.member_id], OK, "")
    assert (list(refused.subjects), refused.reason) == ([MEMBER_OF_NOBODY], "MEMBER_UNKNOWN")
    assert created.method == f"{IDENTITY}/ResolveAccount"
    assert created.at.ToNanoseconds() <= linked.at.ToNanoseconds() <= refused.at.ToNanoseconds()


async def test_what_only_resolves_is_not_kept(suite: Suite) -> None:
    name = external_id()
    await enrol(suite, name)
    before = len(await records(suite))
    await suite.identity.ResolveAccount(resolve(name))
    await suite.identity.BulkResolveAccounts(identity_pb.BulkResolveAccountsRequest(requests=[resolve(name)]))
    assert len(await records(suite)) == before


async def test_a_bulk_call_is_one_record_with_its_items(suite: Suite) -> None:
    member = (await enrol(suite)).member_id
    items = [link(one, external_id(), domain="travel") for one in (member, MEMBER_OF_NOBODY, "+86 138 0013 8000")]
    await suite.identity.BulkLinkAccounts(identity_pb.BulkLinkAccountsRequest(requests=items))
    (record,) = await records(suite, method=f"{IDENTITY}/BulkLinkAccounts")
    assert (record.code, record.items, record.refused_items) == (OK, 3, 2)
    assert list(record.subjects) == [member, MEMBER_OF_NOBODY]
    assert await records(suite, method=f"{IDENTITY}/BulkLinkAccounts", refused=True) == [record]
    new, unknown = resolve(external_id(), create=True), resolve(external_id())
    await suite.identity.BulkResolveAccounts(identity_pb.BulkResolveAccountsRequest(requests=[new, unknown]))
    (record,) = await records(suite, method=f"{IDENTITY}/BulkResolveAccounts")
    assert (record.items, record.refused_items) == (2, 1)


async def test_who_is_not_admitted_is_kept_whatever_was_called(suite: Suite) -> None:
    name = external_id()
    stub = suite.stub("identity", "nobody")
    assert (await refusal_of(stub.ResolveAccount(resolve(name)))).reason == "PERMISSION_MISSING"
    late = (("authorization", f"Bearer {access.token(lifetime_s=-1)}"),)
    assert (await refusal_of(suite.identity.GetMember(identity_pb.GetMemberRequest(), metadata=late))).reason
    unknown, denied, *_ = await records(suite, refused=True)
    assert (denied.caller, denied.code, denied.reason) == ("nobody", DENIED, "PERMISSION_MISSING")
    assert (unknown.caller, unknown.code) == ("", UNAUTHENTICATED)


async def test_a_malformed_call_that_may_change_something_is_kept(suite: Suite) -> None:
    await refusal_of(suite.identity.LinkAccount(link("nonsense", external_id())))
    newest, *_ = await records(suite)
    assert (newest.method, newest.reason, list(newest.subjects)) == (f"{IDENTITY}/LinkAccount", "INVALID_REQUEST", [])


async def test_records_are_found_by_caller_subject_and_time_page_by_page(suite: Suite) -> None:
    members = [(await enrol(suite)).member_id for _ in range(3)]
    for member in members * 3:
        await get_member(suite, member, caller="reader")
    assert len(await records(suite, caller="reader")) == 9
    of_one = await records(suite, subject=members[1])
    assert {(record.caller, *record.subjects) for record in of_one} == {("reader", members[1])}
    assert len(of_one) == 3
    middle = of_one[1].at
    assert len(await records(suite, subject=members[1], since=middle)) == 2
    assert len(await records(suite, subject=members[1], until=middle)) == 1
    found: list[pb.AuditRecord] = []
    token = ""
    while True:
        request = pb.ListAuditRecordsRequest(caller="reader", page_size=2, page_token=token)
        page = await suite.audit("identity").ListAuditRecords(request)
        found.extend(page.records)
        token = page.next_page_token
        if not token:
            break
    assert [record.at.ToNanoseconds() for record in found] == [
        record.at.ToNanoseconds() for record in await records(suite, caller="reader")
    ]


async def test_nobody_is_shown_personal_data_that_cannot_be_kept(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    member = (await enrol(suite)).member_id
    async with await _holding_the_head(suite):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(auditing, "LONGEST_S", 0.2)
            refusal = await refusal_of(get_member(suite, member))
    assert refusal.reason == "AUDIT_UNAVAILABLE"
    assert (await get_member(suite, member)).member_id == member


async def test_what_may_change_something_is_refused_while_there_is_no_room(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Denials are counted then; what was noted is written as soon as that goes."""
    began = timestamp(datetime.now(UTC))
    monkeypatch.setattr(trail, "MAX_WAITING", 3)
    async with await _holding_the_head(suite):
        outcomes = await asyncio.gather(*(_reason_of(enrol(suite)) for _ in range(10)))
        denied = await refusal_of(suite.stub("identity", "nobody").ResolveAccount(resolve(external_id())))
        assert denied.reason == "PERMISSION_MISSING"
        assert await _reason_of(enrol(suite)) == "AUDIT_UNAVAILABLE"
    assert 3 <= outcomes.count("") <= 10
    monkeypatch.undo()
    kept = await records(suite, method=f"{IDENTITY}/ResolveAccount", since=began)
    assert len(kept) == outcomes.count("")
    assert (await proved(suite)).finding == ""


async def _reason_of(call: Any) -> str:
    try:
        await call
    except aio.AioRpcError as error:
        return error_of_call(error).reason
    return ""


class _Holding:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        await self._connection.execute("BEGIN; SELECT * FROM audit_head FOR UPDATE")

    async def __aexit__(self, *_: object) -> None:
        await self._connection.execute("ROLLBACK")
        await self._connection.close()


async def _holding_the_head(suite: Suite) -> _Holding:
    return _Holding(await asyncpg.connect(suite.dsns["identity"]))


async def test_an_untouched_trail_holds(suite: Suite) -> None:
    await some_links(suite, 5)
    whole = await proved(suite)
    assert (whole.finding, whole.first, whole.link) == ("", 1, whole.head)
    assert whole.records >= 6


CHANGES = {
    "number": "UPDATE audit SET number = 1000 WHERE number = 3",
    "recorded_at": "UPDATE audit SET recorded_at = recorded_at + interval '1 microsecond' WHERE number = 3",
    "payload": "UPDATE audit SET payload = set_byte(payload, 7, get_byte(payload, 7) # 1) WHERE number = 3",
    "chain_hash": "UPDATE audit SET chain_hash = set_byte(chain_hash, 7, get_byte(chain_hash, 7) # 1) WHERE number = 3",
    "removed": "DELETE FROM audit WHERE number = 3",
    "last removed": "DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)",
    "moved": (
        "UPDATE audit SET payload = other.payload FROM audit AS other"
        " WHERE audit.number IN (3, 4) AND other.number = 7 - audit.number"
    ),
    "inserted": (
        "INSERT INTO audit SELECT number + 1, recorded_at, payload, chain_hash FROM audit ORDER BY number DESC LIMIT 1"
    ),
}

NAMED = CHANGES.keys() - {"last removed", "inserted"}
"""Changes of which it is known beforehand where they are found."""


@pytest.mark.parametrize("change", CHANGES)
async def test_each_change_is_found_and_its_link_named(suite: Suite, change: str) -> None:
    await some_links(suite, 5)
    async with tampering(suite) as connection:
        await connection.execute(CHANGES[change])
        finding = (await proved(suite)).finding
    assert "link " in finding
    if change in NAMED:
        assert "link 3 " in finding


async def test_every_flipped_bit_of_a_payload_is_found(suite: Suite) -> None:
    await some_links(suite, 3)
    flip = "UPDATE audit SET payload = set_byte(payload, $1, get_byte(payload, $1) # 4) WHERE number = 2"
    async with tampering(suite) as connection:
        for place in range(await connection.fetchval("SELECT length(payload) FROM audit WHERE number = 2")):
            await connection.execute(flip, place)
            assert "link 2 " in (await proved(suite)).finding, place
            await connection.execute(flip, place)
        assert (await proved(suite)).finding == ""


async def test_a_trail_that_was_cut_off_shows_against_an_end_that_was_seen(suite: Suite) -> None:
    """Who cuts it off and mends its head as well is found by who has seen a later link."""
    await some_links(suite, 5)
    async with tampering(suite) as connection:
        seen = await proved(suite)
        known = {"known_link": seen.link, "known_hash": seen.hash}
        await connection.execute("DELETE FROM audit WHERE number > 3")
        await connection.execute(
            "UPDATE audit_head SET (number, chain_hash) = (SELECT number, chain_hash FROM audit WHERE number = 3)"
        )
        assert (await proved(suite)).finding == ""
        assert "seen before" in (await proved(suite, **known)).finding
        await some_links(suite, seen.link)
        assert "seen before" in (await proved(suite, **known)).finding
        await asyncio.sleep(3 * trail.INTERVAL_S)


async def test_an_end_that_was_seen_and_is_still_there_is_no_finding(suite: Suite) -> None:
    await some_links(suite, 2)
    seen = await proved(suite)
    await some_links(suite, 2)
    assert (await proved(suite, known_link=seen.link, known_hash=seen.hash)).finding == ""


async def test_old_links_are_removed_and_the_others_still_proved(suite: Suite) -> None:
    await some_links(suite, 6)
    async with tampering(suite) as connection:
        whole = await proved(suite)
        fourth, now = await connection.fetchrow("SELECT recorded_at, clock_timestamp() FROM audit WHERE number = 4")
        await remove_old_links(connection, now - fourth)
        left = await proved(suite)
    assert (left.finding, left.link) == ("", whole.link)
    assert 1 < left.first <= whole.link


async def test_two_processes_go_on_with_one_trail(suite: Suite) -> None:
    member = (await enrol(suite)).member_id
    async with another_process(suite) as second:
        for number in range(20):
            second.note(Record(trail.now_us(), "other", "token", f"m{number}", 0, "", "", 0, 0, b""))
            await asyncio.gather(second.kept(), get_member(suite, member))
    assert len(await records(suite, caller="other")) == 20
    assert (await proved(suite)).finding == ""


async def test_a_commit_that_nobody_answered_writes_a_link_once(suite: Suite) -> None:
    async with another_process(suite, _Deaf) as mine:
        mine.note(Record(trail.now_us(), "deaf", "token", "m", 0, "", "", 0, 0, b""))
        await mine.kept()
    assert len(await records(suite, caller="deaf")) == 1
    assert (await proved(suite)).finding == ""


@asynccontextmanager
async def another_process(suite: Suite, kind: type[WriteConnection] = WriteConnection) -> AsyncIterator[trail.Trail]:
    """What goes on with the same trail, over a connection of its own."""
    settings = suite.running["identity"].platform.settings
    connection = kind(settings.database_dsn.get_secret_value(), "another-process")
    theirs = trail.Trail(connection, bytes.fromhex(settings.audit_key.get_secret_value()))
    theirs.start()
    yield theirs
    await theirs.close()
    await connection.close()


class _Deaf(WriteConnection):
    """The first COMMIT is done, but nobody hears of it."""

    deaf_for = 1

    async def commit(self, last_statements: str) -> None:
        await super().commit(last_statements)
        if self.deaf_for:
            self.deaf_for -= 1
            self.discard()
            raise trail.CommitUnknownError


async def test_nothing_personal_is_in_it(suite: Suite) -> None:
    phone, region = "+86 138 0013 8000", "苏州园区"
    enrolled = await enrol(suite, phone, attributes={"region": region})
    await get_member(suite, enrolled.member_id)
    await refusal_of(suite.identity.LinkAccount(link(MEMBER_OF_NOBODY, phone)))
    async with tampering(suite) as connection:
        payloads = [row[0] for row in await connection.fetch("SELECT payload FROM audit")]
    kept = "\n".join(str(record) for payload in payloads for record in decode(payload))
    assert enrolled.member_id in kept
    for value in (phone, region, phone.replace(" ", "")):
        assert value not in kept


async def test_what_a_process_noted_is_written_before_it_ends() -> None:
    async with start_suite("identity") as suite:
        await publish_domains(suite)
        await enrol(suite)
        dsn = suite.dsns["identity"]
        await suite.stop("identity")
        connection = await asyncpg.connect(dsn)
        try:
            rows = await connection.fetch("SELECT payload FROM audit ORDER BY number")
        finally:
            await connection.close()
        methods = [record.method for (payload,) in rows for record in decode(payload)]
        assert f"{IDENTITY}/ResolveAccount" in methods
