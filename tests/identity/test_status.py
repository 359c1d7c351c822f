"""Members that are suspended, reinstated and closed."""

import asyncio

import asyncpg
import pytest

from services.chassis import ids
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.identity.builders import (
    close,
    enrol,
    external_id,
    get_member,
    link,
    reinstate,
    resolve,
    suspend,
)
from tests.support.refusals import refusal_of
from tests.support.suite import Suite

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_MEMBER = ids.encode("member", ids.new_id(7))


async def test_every_account_of_a_member_tells_its_status(suite: Suite) -> None:
    phones = {"grocery": external_id(), "fuel": external_id(), "travel": external_id()}
    member = await enrol(suite, phones["grocery"])
    for domain in ("fuel", "travel"):
        await suite.identity.LinkAccount(link(member.member_id, phones[domain], domain=domain))
    for change, status in (
        (suspend, pb.MEMBER_STATUS_SUSPENDED),
        (reinstate, pb.MEMBER_STATUS_ACTIVE),
        (close, pb.MEMBER_STATUS_CLOSED),
    ):
        answer = await change(suite, member.member_id)
        assert answer.member.status == status
        assert answer.position.partition == member.position.partition
        assert (await get_member(suite, member.member_id)).status == status
        for domain, phone in phones.items():
            found = await suite.identity.ResolveAccount(resolve(phone, domain=domain))
            assert (found.member_id, found.status) == (member.member_id, status)


async def test_a_member_is_suspended_once_until_it_is_reinstated(suite: Suite) -> None:
    member = await enrol(suite)
    assert (await refusal_of(reinstate(suite, member.member_id))).reason == "MEMBER_NOT_SUSPENDED"
    await suspend(suite, member.member_id)
    assert (await refusal_of(suspend(suite, member.member_id))).reason == "MEMBER_SUSPENDED"
    await reinstate(suite, member.member_id)
    await suspend(suite, member.member_id)


async def test_a_member_is_closed_for_good(suite: Suite) -> None:
    phone = external_id()
    member = await enrol(suite, phone)
    await suspend(suite, member.member_id)
    await close(suite, member.member_id)
    for change in (suspend, reinstate, close):
        assert (await refusal_of(change(suite, member.member_id))).reason == "MEMBER_CLOSED"
    again = await enrol(suite, phone)
    assert (again.member_id, again.created, again.status) == (member.member_id, False, pb.MEMBER_STATUS_CLOSED)


async def test_a_member_must_exist(suite: Suite) -> None:
    for change in (suspend, reinstate, close):
        assert (await refusal_of(change(suite, NO_MEMBER))).reason == "MEMBER_UNKNOWN"


async def test_a_retry_gets_the_first_answer_again(suite: Suite) -> None:
    member = await enrol(suite)
    first = await suspend(suite, member.member_id, request_id="suspend-once")
    await reinstate(suite, member.member_id)
    assert await suspend(suite, member.member_id, request_id="suspend-once") == first
    assert (await get_member(suite, member.member_id)).status == pb.MEMBER_STATUS_ACTIVE


async def test_a_dry_run_changes_no_status(suite: Suite) -> None:
    member = await enrol(suite)
    dry = await suspend(suite, member.member_id, validate_only=True)
    assert dry.member.status == pb.MEMBER_STATUS_SUSPENDED
    assert not dry.HasField("position")
    assert (await get_member(suite, member.member_id)).status == pb.MEMBER_STATUS_ACTIVE


async def test_no_account_linked_meanwhile_escapes_a_change_of_status(suite: Suite) -> None:
    members = [await enrol(suite) for _ in range(10)]
    work = [
        call
        for member in members
        for call in (
            *(suite.identity.LinkAccount(link(member.member_id, external_id(), domain="travel")) for _ in range(8)),
            suspend(suite, member.member_id),
        )
    ]
    answers = await asyncio.gather(*work, return_exceptions=True)
    assert sum(isinstance(answer, pb.SuspendMemberResponse) for answer in answers) == len(members)
    assert await routes_that_contradict_their_member(suite) == 0


async def routes_that_contradict_their_member(suite: Suite) -> int:
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM routes r JOIN members m USING (member_id) WHERE r.status <> m.status"
        )
    finally:
        await connection.close()
    return count
