"""Reading a file into the state: each row is looked at alone, and then beside the others."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from tessera.imports.hashes import of_identifier, of_row
from tessera.imports.refusals import Reason, Refusal
from tessera.imports.rows import Row, read_row
from tessera.imports.sources import Cells, Source
from tessera.imports.state import Fate, Phase, StagedIdentifier, StagedRow, State

ROWS_A_STEP = 10_000

Domains = Mapping[str, int | None]
"""How many accounts a member may have in each domain; None for any number."""
Told = Callable[[int], None]


async def stage(source: Source, state: State, domains: Domains, tell: Told) -> None:
    """Stage all rows of the file; `tell` hears how many more are staged."""
    with state.changing():
        state.run_many("INSERT INTO domains VALUES (?, ?)", domains.items())
        rows = enumerate(source.rows(), 1)
        while step := list(islice(rows, ROWS_A_STEP)):
            read = [(number, cells, read_row(cells, source.columns, domains)) for number, cells in step]
            state.stage(_staged(number, cells, row, source, domains) for number, cells, row in read)
            state.stage_identifiers(one for number, _, row in read for one in _identifiers(number, row, source.key))
            tell(len(step))
            await asyncio.sleep(0)  # so that signals are heard
        _refuse_among_each_other(state)
        state.enter(Phase.COMPARING)


def _staged(number: int, cells: Cells, row: Row | Refusal, source: Source, domains: Domains) -> StagedRow:
    if isinstance(row, Refusal):
        domain = cells[source.columns.domain] if len(cells) == len(source.columns.names) else ""
        known = domain if domain in domains else ""
        return StagedRow(number, known, None, None, None, None, Fate.REFUSED, row.column, row.reason)
    hashes = of_row(row, source.key)
    return StagedRow(number, row.domain, *hashes, Fate.ACCEPTED, "", "")


def _identifiers(number: int, row: Row | Refusal, key: bytes) -> Iterator[StagedIdentifier]:
    if isinstance(row, Row):
        for one in row.identifiers:
            yield StagedIdentifier(number, one.type, of_identifier(row, one, key))


def _refuse_among_each_other(state: State) -> None:
    state.run("CREATE INDEX rows_by_account ON rows (account)")
    state.run("CREATE INDEX rows_by_person ON rows (person) WHERE person IS NOT NULL")
    for reason, column, condition in _AMONG_EACH_OTHER:
        state.run(
            f"UPDATE rows SET fate = :refused, refused_column = :column, reason = :reason"
            f" WHERE fate = :accepted AND {condition}",
            {"refused": Fate.REFUSED, "accepted": Fate.ACCEPTED, "column": column, "reason": reason},
        )


_AMONG_EACH_OTHER = (
    (
        Reason.ACCOUNT_CONFLICT,
        "external_id",
        """account IN (
             SELECT account FROM rows WHERE fate = :accepted GROUP BY account HAVING count(DISTINCT content) > 1
           )""",
    ),
    (
        Reason.DUPLICATE_ROW,
        "",
        """EXISTS (
             SELECT 1 FROM rows e WHERE e.account = rows.account AND e.fate = :accepted AND e.number < rows.number
           )""",
    ),
    (
        Reason.ATTRIBUTES_CONFLICT,
        "person",
        """person IN (
             SELECT person FROM rows WHERE fate = :accepted AND person IS NOT NULL
             GROUP BY person HAVING count(DISTINCT attributes) > 1
           )""",
    ),
    (
        Reason.DOMAIN_ACCOUNT_LIMIT,
        "domain",
        """number IN (
             SELECT number FROM (
               SELECT r.number, d.accounts_per_member, row_number() OVER (
                 PARTITION BY r.person, r.domain ORDER BY r.number
               ) AS nth
               FROM rows r JOIN domains d ON d.code = r.domain
               WHERE r.fate = :accepted AND r.person IS NOT NULL
             ) WHERE nth > accounts_per_member
           )""",
    ),
)
"""What is wrong with rows beside others: reason, column, and which accepted rows are concerned; one after the other."""
