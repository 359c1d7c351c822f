"""The keys by which identifiers are found are replaced while calls are served."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from pydantic import SecretStr

from services.chassis.app import start
from services.chassis.database import UnfitDatabase
from services.identity.definition import DEFINITION
from tessera.identity.v1 import identifier_pb2 as pb
from tessera.identity.v1 import identity_service_pb2_grpc
from tests.identity.builders import enrol
from tests.identity.identifiers import add, adding, email, find, identifier_type, publish_types, remove
from tests.identity.processes import process_of
from tests.support.suite import Suite, free_port, settings_for, start_suite

OLD, NEW = "11" * 32, "33" * 32
BOTH = {1: SecretStr(OLD), 2: SecretStr(NEW)}
PATIENCE_S = 20


def told(*versions: int, writing: int) -> dict[str, str]:
    """What a process is told of the keys."""
    keys = {version: BOTH[version].get_secret_value() for version in versions}
    return {"TESSERA_IDENTIFIER_KEYS": json.dumps(keys), "TESSERA_IDENTIFIER_KEY_VERSION": str(writing)}


async def found(stub: identity_service_pb2_grpc.IdentityServiceStub, value: str) -> str:
    return str((await stub.FindMember(pb.FindMemberRequest(type="email", value=value))).member_id)


async def versions(suite: Suite) -> dict[int, int]:
    """How many identifiers are found by each version."""
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        return dict(await connection.fetch("SELECT key_version, count(*) FROM identifiers GROUP BY key_version"))
    finally:
        await connection.close()


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await reached():  # noqa: ASYNC110  # another process gets there, which tells nobody
            await asyncio.sleep(0.05)


async def until_all_are_of(suite: Suite, version: int) -> None:
    async def reached() -> bool:
        return set(await versions(suite)) == {version}

    await until(reached)


async def hashes(suite: Suite) -> tuple[int, int]:
    """Under how many hashes values are looked up, and how many identifiers are held."""
    connection = await asyncpg.connect(suite.dsns["identity"])
    try:
        held = await connection.fetchval("SELECT count(*) FROM identifiers WHERE removed_at IS NULL")
        return await connection.fetchval("SELECT count(*) FROM identifier_holders"), held
    finally:
        await connection.close()


async def test_keys_are_replaced_while_everybody_is_found() -> None:
    """Processes are restarted one by one: at each step old and new ones serve the same database."""
    async with start_suite("identity") as suite:
        await publish_types(suite, identifier_type("email"))
        someone = str((await enrol(suite)).member_id)
        before, gone = [email() for _ in range(3)], email()
        for value in before:
            await add(suite, someone, value)
        await remove(suite, (await add(suite, someone, gone)).identifier.identifier_id)
        async with process_of(suite, **told(1, 2, writing=1)) as first:
            assert await found(first.stub, before[0]) == someone
            assert await versions(suite) == {1: 4}
            async with process_of(suite, **told(1, 2, writing=2)) as second:
                await until_all_are_of(suite, 2)
                assert [await found(each.stub, before[1]) for each in (first, second)] == [someone, someone]
                new, late = email(), email()
                assert (await second.stub.AddIdentifier(adding(someone, new))).created
                assert not (await first.stub.AddIdentifier(adding(someone, new))).created
                assert (await first.stub.AddIdentifier(adding(someone, late))).created
                assert not (await second.stub.AddIdentifier(adding(someone, late, verified=True))).created
                assert [await found(first.stub, new), await found(second.stub, late)] == [someone, someone]
        async with process_of(suite, **told(1, 2, writing=2)):
            await until_all_are_of(suite, 2)
        async with process_of(suite, **told(2, writing=2)) as last:
            for value in (*before, new):
                assert await found(last.stub, value) == someone
            assert not (await last.stub.AddIdentifier(adding(someone, before[2]))).created


async def test_no_hash_under_an_old_key_stays() -> None:
    async with start_suite("identity", identifier_keys=BOTH) as suite:
        await publish_types(suite, identifier_type("email"))
        someone = str((await enrol(suite)).member_id)
        kept = email()
        await add(suite, someone, kept)
        await remove(suite, (await add(suite, someone, email())).identifier.identifier_id)
        async with process_of(suite, **told(1, 2, writing=2)):
            await until_all_are_of(suite, 2)

            async def one_hash_is_left() -> bool:
                return await hashes(suite) == (1, 1)

            await until(one_hash_is_left)
        assert (await find(suite, kept)).member_id == someone


async def test_no_process_starts_without_a_key_that_is_needed() -> None:
    async with start_suite("identity", identifier_keys=BOTH) as suite:
        await publish_types(suite, identifier_type("email"))
        await add(suite, str((await enrol(suite)).member_id), email())
        settings = settings_for(
            "identity", suite.dsns["identity"], free_port(), {}, identifier_keys={2: SecretStr(NEW)}
        )
        with pytest.raises(UnfitDatabase, match=r"version\(s\) 1 of the keys"):
            await start(settings, DEFINITION)
