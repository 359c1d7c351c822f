"""How PostgreSQL would answer a query, in a database where nothing is yet.

A service prepares its queries on its first day, and such plans are kept while the tables grow.
"""

import re

import asyncpg

from tests.support import postgres

BEFORE = {"never analysed": "SELECT", "known to be empty": "VACUUM ANALYZE"}
"""What may have been done to empty tables, and the plans differ by it."""


async def plan_of(service: str, query: str, before: str = BEFORE["never analysed"]) -> str:
    """How a service finds the rows of a query in empty tables to which `before` was done."""
    connection = await asyncpg.connect(await postgres.new_database(service))
    try:
        await connection.execute(before)
        await connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        await connection.execute(f"PREPARE asked AS {query}")
        count = max((int(number) for number in re.findall(r"\$(\d+)", query)), default=0)
        arguments = f"({', '.join(['NULL'] * count)})" if count else ""
        return "\n".join([row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE asked{arguments}")])
    finally:
        await connection.close()


def check_looks_up(plan: str) -> None:
    """Check that rows are looked up by more than their partition, and none are compared with all others."""
    conditions = re.findall(r"Index Cond: (.*)", plan)
    assert conditions, plan
    assert all(" AND " in condition for condition in conditions), plan
    assert not re.search("Join Filter|Hash|Merge|Materialize", plan), plan
