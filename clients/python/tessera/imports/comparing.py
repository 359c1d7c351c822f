"""Asking identity what it knows of the rows: before anything is sent, to plan, and at the end, to check."""

from typing import Any

from tessera.errors import Error
from tessera.identity.v1 import identity_service_pb2 as pb
from tessera.imports.calls import Calls, Item, Told
from tessera.imports.columns import EXTERNAL_ID
from tessera.imports.refusals import Reason, Refusal
from tessera.imports.state import ARRIVED, Fate, Phase, State

METHOD = "BulkResolveAccounts"
UNKNOWN = "ACCOUNT_UNKNOWN"


async def compare(calls: Calls, tell: Told) -> None:
    """Notes which accounts are known, and whose; then plans what is to become of the others."""
    await calls.send((Fate.ACCEPTED,), METHOD, _resolve, _note_known, tell)
    with calls.state.changing():
        _plan(calls.state)
        calls.state.run(
            "UPDATE import SET refused_beforehand = (SELECT count(*) FROM rows WHERE fate = :refused)",
            {"refused": Fate.REFUSED},
        )
        calls.state.enter(Phase.PLANNED)


async def check(calls: Calls, tell: Told) -> None:
    """Notes which member each imported account leads to now."""
    calls.state.run("UPDATE rows SET found_id = NULL WHERE found_id IS NOT NULL")
    await calls.send(ARRIVED, METHOD, _resolve, _note_found, tell)
    with calls.state.changing():
        calls.state.enter(Phase.DONE)


def _resolve(items: list[Item]) -> pb.BulkResolveAccountsRequest:
    return pb.BulkResolveAccountsRequest(
        requests=[pb.ResolveAccountRequest(domain=item.row.domain, external_id=item.row.external_id) for item in items]
    )


def _note_known(state: State, items: list[Item], found: list[Any]) -> None:
    answers = [(item.planned.number, answer) for item, answer in zip(items, found, strict=True)]
    state.settle((Fate.KNOWN, answer.member_id, number) for number, answer in answers if not isinstance(answer, Error))
    state.refuse(
        (number, Refusal(EXTERNAL_ID, answer.reason))
        for number, answer in answers
        if isinstance(answer, Error) and answer.reason != UNKNOWN
    )


def _note_found(state: State, items: list[Item], found: list[Any]) -> None:
    state.run_many(
        "UPDATE rows SET found_id = ? WHERE number = ?",
        (
            (answer.member_id, item.planned.number)
            for item, answer in zip(items, found, strict=True)
            if not isinstance(answer, Error)
        ),
    )


def _plan(state: State) -> None:
    """Who is enrolled, and who is linked to whom: a member that one of a person's accounts belongs to, or the one that
    its leading row enrols, which is the first with attributes."""
    names = {fate.name.lower(): int(fate) for fate in Fate} | {"reason": Reason.PERSON_CONFLICT}
    for statement in _PLANNING:
        state.run(statement, {name: value for name, value in names.items() if f":{name}" in statement})


_PLANNING = (
    # A person of several members is nobody's to decide here.
    """UPDATE rows SET fate = :refused, refused_column = 'person', reason = :reason
       WHERE fate IN (:accepted, :known) AND person IN (
         SELECT person FROM rows WHERE fate = :known AND person IS NOT NULL
         GROUP BY person HAVING count(DISTINCT member_id) > 1
       )""",
    """UPDATE rows SET fate = :to_link, member_id = known.member_id
       FROM (
         SELECT person, min(member_id) AS member_id FROM rows WHERE fate = :known AND person IS NOT NULL GROUP BY person
       ) AS known
       WHERE rows.person = known.person AND rows.fate = :accepted""",
    """UPDATE rows SET lead = leads.lead, fate = iif(leads.lead = rows.number, :to_enrol, :to_link)
       FROM (
         SELECT number, first_value(number) OVER (PARTITION BY person ORDER BY attributes IS NULL, number) AS lead
         FROM rows WHERE fate = :accepted AND person IS NOT NULL
       ) AS leads
       WHERE rows.number = leads.number""",
    "UPDATE rows SET lead = number, fate = :to_enrol WHERE fate = :accepted",
)
