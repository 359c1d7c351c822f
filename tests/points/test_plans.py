"""What a member has open is found by an index of just that, also while a table is too young to have statistics."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.points import jobs, queries
from tests.support import postgres

MEMBERS = [UUID(int=number) for number in range(3)]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    queries._MEMBERS: (MEMBERS,),
    queries._ACCOUNTS: (MEMBERS,),
    queries._STANDINGS: (MEMBERS, [NOW] * 3, ["shopper"]),
    queries._ACTIVITIES: (MEMBERS, MEMBERS),
    queries._BALANCES: (MEMBERS,),
    queries._OPEN_LOTS: (MEMBERS,),
    queries._LOTS: (MEMBERS, MEMBERS),
    queries._LOTS_OF_ACTIVITIES: (MEMBERS, MEMBERS),
    queries._HOLDS: (MEMBERS,),
    queries._OPEN_HOLDS: (MEMBERS,),
    queries._CLAWBACKS: (MEMBERS,),
    queries._SPENDS: (MEMBERS,),
    queries._CAP_USES: (MEMBERS, ["rule"] * 3, [NOW.date()] * 3),
}
"""Every query with which a batch is loaded."""
NAMES = [name for query in ARGUMENTS for name, value in vars(queries).items() if value is query]


@pytest.mark.parametrize(
    ("query", "index"),
    [(queries._OPEN_HOLDS, "holds_open"), (queries._HOLDS, "holds_pkey"), (queries._OPEN_LOTS, "lots_open")],
    ids=["open holds", "holds", "open lots"],
)
async def test_nobody_looks_at_what_others_have_open(query: str, index: str) -> None:
    plan = await plan_of(query, 0, MEMBERS)
    assert f"using {index} on" in plan or f"Scan on {index} " in plan, plan
    assert "_due" not in plan, plan


@pytest.mark.parametrize("before", ["SELECT", "VACUUM ANALYZE"], ids=["never analysed", "known to be empty"])
@pytest.mark.parametrize("query", ARGUMENTS, ids=NAMES)
async def test_no_query_reads_a_whole_partition(query: str, before: str) -> None:
    plan = await plan_of(query, 0, *ARGUMENTS[query], before=before)
    conditions = re.findall(r"Index Cond: (.*)", plan)
    assert conditions, plan
    assert all(" AND " in condition for condition in conditions), plan
    assert "Join Filter" not in plan, plan


async def test_what_is_due_is_found_without_looking_at_what_is_not() -> None:
    plan = await plan_of(jobs._DUE, [0, 1], MEMBERS[:2], NOW, 10)
    indexes = re.findall(r"Scan (?:using|on) (\w+_\w+)", plan)
    assert indexes == ["lots_due", "holds_due", "balances_due", "lots_open"], plan


async def plan_of(query: str, *arguments: Any, before: str = "SELECT") -> str:
    """How a service finds the rows of a query in empty tables, never analysed unless that was done `before`."""
    connection = await asyncpg.connect(await postgres.new_database("points"))
    try:
        await connection.execute(before)
        await connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        return "\n".join([row[0] for row in await connection.fetch(f"EXPLAIN {query}", *arguments)])
    finally:
        await connection.close()
