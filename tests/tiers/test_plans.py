"""Rows are looked up one by one, by an index of just that, also while a table is too young to have statistics."""

import re

import pytest

from services.tiers import queries
from services.tiers.merges import queries as merges
from services.tiers.standings import queries as standings
from services.tiers.standings import reads
from tests.support.plans import BEFORE, check_looks_up, plan_of

QUERIES = {
    **{f"queries.{name}": getattr(queries, name) for name in ("_MEMBERS", "_DAYS", "_ENTRIES")},
    "standings._HISTORIES": standings._HISTORIES,
    **{f"merges.{name}": getattr(merges, name) for name in ("_LINKS", "_SCORES", "_STANDINGS")},
    **{f"reads.{name}": getattr(reads, name) for name in ("_MEANT", "_STANDINGS")},
}


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_no_query_reads_a_whole_partition(query: str, before: str) -> None:
    check_looks_up(await plan_of("tiers", query, before))


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("name", ["_STANDINGS", "_STANDINGS_DUE", "_STANDINGS_ANEW"])
async def test_scores_and_standings_are_looked_up_by_member(name: str, before: str) -> None:
    plan = await plan_of("tiers", getattr(standings, name), before)
    found = re.findall(r"using (?:scores|standings)_pkey on .*\n *Index Cond: (.*)", plan)
    assert len(found) >= 3, plan
    assert all("member_id" in condition for condition in found), plan
