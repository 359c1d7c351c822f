"""Importing a file of accounts, from the first phase to the last."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from google.protobuf.struct_pb2 import Value

from tessera.client import Client
from tessera.config.v1 import config_service_pb2
from tessera.config.v1.config_service_pb2 import Document
from tessera.imports import comparing, sending, staging, totals
from tessera.imports.calls import Calls
from tessera.imports.columns import BadFile
from tessera.imports.report import write_report
from tessera.imports.sources import Source
from tessera.imports.staging import Domains
from tessera.imports.state import ARRIVED, Fate, Phase, State
from tessera.imports.totals import Totals


class Progress(Protocol):
    """Who is told how far an import is."""

    def begin(self, what: str, rows: int | None) -> "staging.Told":
        """Something with so many rows begins, None for nobody knows; what is returned hears how many more are done."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to import."""

    report: Path
    """Where refused rows are told."""
    dry_run: bool = False
    """Only check the file and compare it."""
    skip_refused: bool = False
    """Import the other rows when some are refused beforehand."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    before: Totals
    """After staging and comparing, as nothing was sent; of an import that was taken up again, as it was found."""
    after: Totals | None
    """At the end; None when nothing was sent."""
    refused_beforehand: int

    @property
    def is_whole(self) -> bool:
        """Whether everything arrived that was to, and nothing was refused on the way."""
        if self.after is None:
            return False
        refused = self.after.all.refused - self.refused_beforehand
        return not self.after.findings and not refused and not any(one.refused for one in self.after.identifiers)


async def import_accounts(client: Client, source: Source, state: State, plan: Plan, progress: Progress) -> Imported:
    """Import a file, or go on with an import that broke off; importing it again changes nothing.

    Without `skip_refused`, nothing is sent while any row is refused. Raises `Error` when identity cannot be reached.
    """
    calls = Calls(client, source, state)
    if state.phase is Phase.STAGING:
        documents = (await client.config("identity").ListDocuments(config_service_pb2.ListDocumentsRequest())).documents
        _check_types(source, documents)
        await staging.stage(source, state, _domains(documents), progress.begin("reading", None))
        await comparing.compare(calls, progress.begin("comparing", state.count((Fate.ACCEPTED,))))
    before = totals.count(state, checked=False)
    write_report(state, plan.report)
    stays = plan.dry_run or (state.phase is Phase.PLANNED and before.all.refused > 0 and not plan.skip_refused)
    after = None if stays else await _send(calls, plan, progress)
    return Imported(before, after, state.refused_beforehand)


async def _send(calls: Calls, plan: Plan, progress: Progress) -> Totals:
    state = calls.state
    if state.phase is not Phase.CHECKING:
        to_enrol, to_link = state.count((Fate.TO_ENROL,)), state.count((Fate.TO_LINK,))
        await sending.send(
            calls,
            progress.begin("enrolling", to_enrol),
            progress.begin("linking", to_link),
            progress.begin("adding", state.count_waiting_identifiers()),
        )
    await comparing.check(calls, progress.begin("checking", state.count(ARRIVED)))
    write_report(state, plan.report)
    return totals.count(state, checked=True)


def _domains(documents: Iterable[Document]) -> Domains:
    """How many accounts a member may have in each domain; None for any number."""
    return {
        document.code: _limit(document.spec.fields["accounts_per_member"])
        for document in documents
        if document.kind == "domain"
    }


def _check_types(source: Source, documents: Iterable[Document]) -> None:
    known = {document.code for document in documents if document.kind == "identifier-type"}
    unknown = [column.type for column in source.columns.identifiers if column.type not in known]
    if unknown:
        raise BadFile(
            f"{source.path}: identity has no type of identifiers {', '.join(unknown)}; "
            f"it has {', '.join(sorted(known)) or 'none'}"
        )


def _limit(value: Value) -> int | None:
    return None if value.string_value == "unlimited" else int(value.number_value) or 1
