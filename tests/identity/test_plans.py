"""Groups and identifiers are looked up one by one, by an index of just that, also while a table is too young to have
statistics."""

import pytest

from services.identity.groups import queries
from services.identity.identifiers import queries as identifier_queries
from services.identity.matches import queries as match_queries
from tests.support.plans import BEFORE, check_looks_up, plan_of

QUERIES = {
    name: getattr(queries, name)
    for name in (
        "LOAD_GROUPS",
        "LOAD_SEATS",
        "LOAD_LEFT",
        "LOAD_INVITATIONS",
        "LOAD_OPEN_INVITATIONS",
        "PAGE_OF_SEATS",
        "PAGE_OF_INVITATIONS",
        "DUE_INVITATIONS",
    )
} | {
    "LOAD_IDENTIFIERS": identifier_queries.LOAD_IDENTIFIERS,
    "FIND_IDENTIFIERS": identifier_queries.FIND_IDENTIFIERS,
    "FIND_IDENTIFIER": identifier_queries.FIND_IDENTIFIER,
    "LOAD_HOLDERS": identifier_queries.LOAD_HOLDERS,
    "FIND_HOLDERS": identifier_queries.FIND_HOLDERS,
    "FIND_LEADING": identifier_queries.FIND_LEADING,
    "LOAD_MATCHES": match_queries.LOAD_MATCHES,
    "FIND_MATCH": match_queries.FIND_MATCH,
    "PAGE_OF_MATCHES": match_queries.PAGE_OF_MATCHES,
    "PAGE_OF_MATCHES_BY_STATUS": match_queries.PAGE_OF_MATCHES_BY_STATUS,
    "MATCHES_OF_MEMBERS": match_queries.MATCHES_OF_MEMBERS,
    "TO_BE_MERGED": match_queries.TO_BE_MERGED,
}


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_no_query_reads_a_whole_partition(query: str, before: str) -> None:
    check_looks_up(await plan_of("identity", query, before))
