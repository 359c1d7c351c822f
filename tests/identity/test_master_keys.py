"""Master keys are replaced while calls are served, and may be somebody else's, who is not always there."""

import gc
import json
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from services.chassis import ids
from services.chassis.app import start
from services.chassis.database import UnfitDatabase
from services.identity.definition import DEFINITION
from services.identity.keys.keyring import Keyring
from services.identity.values import MEMBER
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.identity.builders import domain, enrol, external_id, get_member, link, programme, resolve
from tests.identity.identifiers import adding, email, identifier_type, publish_types
from tests.identity.key_service import DOWN_FILE, remote
from tests.identity.processes import process_of
from tests.identity.test_key_rotation import until
from tests.identity.test_privacy import erase
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, free_port, settings_for, start_suite

OLD, NEW = "22" * 32, "44" * 32
BOTH = {1: SecretStr(OLD), 2: SecretStr(NEW)}


def told(*versions: int, writing: int) -> dict[str, str]:
    """What a process is told of the master keys."""
    keys = {version: BOTH[version].get_secret_value() for version in versions}
    return {
        "TESSERA_DATA_KEY": "",
        "TESSERA_MASTER_KEYS": json.dumps(keys),
        "TESSERA_MASTER_KEY_VERSION": str(writing),
    }


async def versions(suite: Suite) -> dict[int, int]:
    """How many data keys are wrapped by each version; destroyed ones have version 0."""
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        return dict(await connection.fetch("SELECT key_version, count(*) FROM members GROUP BY key_version"))
    finally:
        await connection.close()


async def until_wrapped_by(suite: Suite, expected: dict[int, int]) -> None:
    async def reached() -> bool:
        return await versions(suite) == expected

    await until(reached)


async def test_a_master_key_is_replaced_while_everybody_is_served() -> None:
    """Processes are restarted one by one: at each step old and new ones serve the same database."""
    async with start_suite("identity") as suite:
        await suite.publish("identity", programme(), domain("grocery"), domain("travel"))
        phones = [external_id() for _ in range(5)]
        members = [str((await enrol(suite, phone, attributes={"region": "south"})).member_id) for phone in phones]
        await erase(suite, members.pop())
        async with process_of(suite, **told(1, 2, writing=1)) as first:
            assert await versions(suite) == {0: 1, 1: 4}
            async with process_of(suite, **told(1, 2, writing=2)) as second:
                await until_wrapped_by(suite, {0: 1, 2: 4})
                for each in (first, second):
                    shown = (await each.stub.GetMember(pb.GetMemberRequest(member_id=members[0]))).member
                    assert (shown.accounts[0].external_id, dict(shown.attributes)) == (phones[0], {"region": "south"})
                await first.stub.LinkAccount(link(members[1], external_id(), domain="travel"))
                late = (await first.stub.ResolveAccount(resolve("late", create=True))).member_id
                assert (await versions(suite))[1] == 1
        async with process_of(suite, **told(1, 2, writing=2)):
            await until_wrapped_by(suite, {0: 1, 2: 5})
        async with process_of(suite, **told(2, writing=2)) as last:
            for member_id in (*members, late):
                shown = (await last.stub.GetMember(pb.GetMemberRequest(member_id=member_id))).member
                assert shown.accounts[0].external_id


async def test_keys_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"1": OLD}))
    async with start_suite("identity") as suite:
        await suite.publish("identity", programme(), domain("grocery"))
        phone = external_id()
        member = (await enrol(suite, phone)).member_id
        async with process_of(suite, TESSERA_DATA_KEY="", TESSERA_MASTER_KEYS_FILE=str(file)) as process:
            shown = (await process.stub.GetMember(pb.GetMemberRequest(member_id=member))).member
            assert shown.accounts[0].external_id == phone


async def test_no_process_starts_without_a_master_key_that_is_needed() -> None:
    async with start_suite("identity") as suite:
        await suite.publish("identity", programme(), domain("grocery"))
        member = str((await enrol(suite)).member_id)
        settings = settings_for(
            "identity", suite.dsns["identity"], free_port(), {}, data_key=None, master_keys={2: SecretStr(NEW)}
        )
        with pytest.raises(UnfitDatabase, match=r"version\(s\) 1 of the master keys"):
            await start(settings, DEFINITION)
        await erase(suite, member)
        await (await start(settings, DEFINITION)).close()


async def test_nothing_is_half_done_while_a_key_service_is_not_there(tmp_path: Path) -> None:
    down = tmp_path / "down"
    own = {
        "TESSERA_DATA_KEY": "",
        "TESSERA_KEY_WRAPPER": f"{remote.__module__}:{remote.__name__}",
        DOWN_FILE: str(down),
    }
    async with start_suite("identity") as suite:
        await suite.publish("identity", programme(), domain("grocery"), domain("travel"))
        await publish_types(suite, identifier_type("email"))
        async with process_of(suite, **own) as process:
            stub = process.stub
            known = await stub.ResolveAccount(resolve("known", create=True, attributes={"region": "south"}))
            member = known.member_id
            before = await rows(suite)
            down.touch()
            for call in (
                stub.ResolveAccount(resolve("new", create=True, request_id="new-1")),
                stub.LinkAccount(linking := link(member, "its own", domain="travel")),
                stub.AddIdentifier(adding(member, email())),
            ):
                refused = await refusal_of(call)
                assert (refused.reason, refused.code.name) == ("KEYS_UNAVAILABLE", "UNAVAILABLE")
            assert await rows(suite) == before
            resolved = await stub.ResolveAccount(resolve("known"))
            assert resolved.member_id == member
            down.unlink()
            assert (await stub.ResolveAccount(resolve("new", create=True, request_id="new-1"))).created
            await stub.LinkAccount(linking)
            down.touch()
            await stub.GetMember(pb.GetMemberRequest(member_id=member))
            await stub.CloseMember(pb.CloseMemberRequest(member_id=member, request_id="close-1"))


async def rows(suite: Suite) -> tuple[int, ...]:
    """How many members, accounts and identifiers there are, and positions."""
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        counts = [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in ("members", "accounts")]
        return (*counts, await connection.fetchval("SELECT sum(position) FROM head"))
    finally:
        await connection.close()


async def test_the_key_of_who_is_erased_is_not_kept_in_clear() -> None:
    async with start_suite("identity") as suite:
        await suite.publish("identity", programme(), domain("grocery"))
        member, stays = [str((await enrol(suite)).member_id) for _ in range(2)]
        for each in (member, stays):
            await get_member(suite, each)
        await erase(suite, member)
        keyrings = [one for one in gc.get_objects() if isinstance(one, Keyring)]
        assert [any(ids.decode(MEMBER, one) in keyring for keyring in keyrings) for one in (member, stays)] == [
            False,
            True,
        ]
