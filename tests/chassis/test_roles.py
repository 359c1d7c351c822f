"""A service holds the role of its own database, and that role opens no other."""

import asyncpg
import pytest

from tests.support import postgres
from tests.support.suite import SERVICES


@pytest.mark.parametrize("service", SERVICES)
async def test_a_services_role_cannot_open_a_neighbours_database(service: str) -> None:
    neighbours = [name for name in SERVICES if name != service]
    own = await postgres.new_database(service)
    others = [await postgres.new_database(name) for name in neighbours]
    try:
        await (await asyncpg.connect(own)).close()
        for name, other in zip(neighbours, others, strict=True):
            trespass = other.replace(f"//tessera_{name}:", f"//tessera_{service}:")
            assert trespass != other
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
                await asyncpg.connect(trespass)
    finally:
        for dsn in (own, *others):
            await postgres.drop_database(dsn)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_services_role_is_no_superuser_and_makes_no_roles_or_databases(service: str) -> None:
    own = await postgres.new_database(service)
    connection = await asyncpg.connect(own)
    try:
        rights = await connection.fetchrow(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles "
            "WHERE rolname = current_user"
        )
        assert not any(rights)
    finally:
        await connection.close()
        await postgres.drop_database(own)
