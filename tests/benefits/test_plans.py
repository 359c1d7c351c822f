"""Rows are looked up one by one, by an index of just that, also while a table is too young to have statistics."""

import re

import pytest

from services.benefits import queries, reads
from tests.support.plans import BEFORE, check_looks_up, plan_of

NAMES = [
    "MEMBERS",
    "_ACCOUNTS",
    "_INTERVALS",
    "_REDEMPTIONS",
    "_ENTITLEMENTS",
    "_QUOTA_USES",
    "_COUNTS",
    "_ENTITLEMENTS_OF_MEMBERS",
    "_QUOTA_USES_OF_MEMBERS",
]
"""Every query with which a batch is loaded."""


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("name", NAMES)
async def test_no_query_reads_a_whole_partition(name: str, before: str) -> None:
    check_looks_up(await plan_of("benefits", getattr(queries, name), before))


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
async def test_whom_ids_mean_is_looked_up(before: str) -> None:
    check_looks_up(await plan_of("benefits", reads._LEADS_TO, before))


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
async def test_a_check_looks_up_what_it_asks_for(before: str) -> None:
    plan = await plan_of("benefits", reads._CHECKS, before)
    assert re.findall(r"Index Scan using (\w+)", plan) == [
        "head_pkey",
        "members_pkey",
        "quota_uses_pkey",
        "entitlements_granted",
    ], plan
    assert not re.search("Join Filter|Hash|Merge|Materialize", plan), plan
