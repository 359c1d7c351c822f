"""Control totals: what the file has, what became of it, and what identity tells of it at the end."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tessera.imports.refusals import Refusal
from tessera.imports.state import ARRIVED, Fate, IdentifierFate, State

FINDINGS_SHOWN = 10
UNREADABLE = "(none)"
"""Stands for the domain of rows that name none that is known."""


@dataclass(frozen=True, slots=True)
class Total:
    """Rows of one domain, or of all."""

    domain: str
    rows: int
    refused: int
    unchanged: int
    """Known before."""
    new_members: int
    linked: int
    waiting: int
    """Not sent, or not yet."""
    found: int
    """Identity knows the account at the end."""

    @property
    def arrived(self) -> int:
        """What identity must know."""
        return self.unchanged + self.new_members + self.linked


@dataclass(frozen=True, slots=True)
class IdentifierTotal:
    """Identifiers of one type, of rows that are not refused."""

    type: str
    given: int
    waiting: int
    """Not sent, or not yet."""
    added: int
    known: int
    """The member held them already."""
    refused: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What an import came to."""

    domains: tuple[Total, ...]
    all: Total
    reasons: Mapping[str, int]
    """How many rows and identifiers were refused, by reason."""
    identifiers: tuple["IdentifierTotal", ...]
    findings: tuple[str, ...]
    """What does not hold at the end; empty when everything does, or before it was checked."""


def count(state: State, *, checked: bool) -> Totals:
    """The totals as the state has them."""
    listed = ", ".join(str(int(fate)) for fate in ARRIVED)
    columns = f"""count(*), {", ".join(f"sum(fate = {fate})" for fate in map(int, _COUNTED))},
      sum(fate IN ({int(Fate.ACCEPTED)}, {int(Fate.TO_ENROL)}, {int(Fate.TO_LINK)})), count(found_id)"""
    found = state.run(f"SELECT domain, {columns} FROM rows GROUP BY domain ORDER BY domain")
    domains = tuple(Total(domain or UNREADABLE, *numbers) for domain, *numbers in found)
    sums = [sum(numbers) for numbers in zip(*(row[1:] for row in found), strict=True)] or [0] * 7
    reasons = state.run(
        f"""SELECT reason, count(*) FROM (
              SELECT reason FROM rows WHERE fate = {int(Fate.REFUSED)}
              UNION ALL SELECT reason FROM identifiers WHERE fate = {int(IdentifierFate.REFUSED)}
            ) GROUP BY reason ORDER BY reason"""
    )
    findings = _findings(state, listed) if checked else ()
    return Totals(domains, Total("all", *sums), dict(reasons), _identifiers(state), findings)


def _identifiers(state: State) -> tuple[IdentifierTotal, ...]:
    found = state.run(
        f"""SELECT i.type, count(*), {", ".join(f"sum(i.fate = {int(fate)})" for fate in IdentifierFate)}
            FROM identifiers i JOIN rows r ON r.number = i.number
            WHERE r.fate != {int(Fate.REFUSED)} GROUP BY i.type ORDER BY i.type"""
    )
    return tuple(IdentifierTotal(*row) for row in found)


_COUNTED = (Fate.REFUSED, Fate.KNOWN, Fate.ENROLLED, Fate.LINKED)


def _findings(state: State, arrived: str) -> tuple[str, ...]:
    lost = state.run(f"SELECT number FROM rows WHERE fate IN ({arrived}) AND found_id IS NULL ORDER BY number")
    parted = state.run(
        f"""SELECT min(number) FROM rows WHERE fate IN ({arrived}) AND person IS NOT NULL
            GROUP BY person HAVING count(DISTINCT found_id) > 1 ORDER BY 1"""
    )
    return (
        *_finding(lost, "leads to no member"),
        *_finding(parted, "belongs to another member than other rows of its person"),
    )


def _finding(rows: list[tuple[Any, ...]], text: str) -> list[str]:
    findings = [f"row {number} {text}" for (number,) in rows[:FINDINGS_SHOWN]]
    return findings + ([f"{len(rows) - FINDINGS_SHOWN:,} more rows like this"] if len(rows) > FINDINGS_SHOWN else [])


def as_json(totals: Totals) -> dict[str, Any]:
    """The same for machines."""
    return {
        "all": asdict(totals.all),
        "domains": [asdict(total) for total in totals.domains],
        "identifiers": [asdict(total) for total in totals.identifiers],
        "refused": dict(totals.reasons),
        "findings": list(totals.findings),
    }


def meaning(reason: str) -> str:
    """What a reason means, for people."""
    return Refusal("", reason).meaning
