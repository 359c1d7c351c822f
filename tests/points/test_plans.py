"""What a member has open is found by an index of just that, also while a table is too young to have statistics."""

from uuid import UUID

import asyncpg
import pytest

from services.points import queries
from tests.support import postgres

MEMBERS = [UUID(int=number) for number in range(3)]


@pytest.mark.parametrize(
    ("query", "index"),
    [(queries._OPEN_HOLDS, "holds_open"), (queries._HOLDS, "holds_pkey"), (queries._OPEN_LOTS, "lots_open")],
    ids=["open holds", "holds", "open lots"],
)
async def test_nobody_looks_at_what_others_have_open(query: str, index: str) -> None:
    connection = await asyncpg.connect(await postgres.new_database("points"))
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", 0, MEMBERS))
    finally:
        await connection.close()
    assert f"using {index} on" in plan or f"Scan on {index} " in plan, plan
    assert "_due" not in plan, plan
