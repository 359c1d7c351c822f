"""A service holds the role of its own database, which opens no other."""

import asyncpg
import pytest

from tests.support import postgres


async def test_identitys_role_cannot_open_a_neighbours_database() -> None:
    own, neighbour = await postgres.new_database("identity"), await postgres.new_database("points")
    try:
        await (await asyncpg.connect(own)).close()
        database = neighbour.partition("@/")[2] or neighbour.rpartition("/")[2]
        trespassing = own.replace(own.partition("@/")[2] or own.rpartition("/")[2], database)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await asyncpg.connect(trespassing)
    finally:
        await postgres.drop_database(own)
        await postgres.drop_database(neighbour)
