"""What an import remembers beside its file: one row for each of the file's, hashes and no values.

SQLite with a write-ahead log: after a crash it holds what the last transaction left. One process at a time opens it.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from typing import Any, NamedTuple

from tessera.complaints import Complaint
from tessera.imports.columns import IDENTIFIER_PREFIX
from tessera.imports.hashes import HASH_BYTES
from tessera.imports.refusals import Refusal

KEY_BYTES = 32
BUSY_S = 1.0
LAYOUT = 2
"""Counted up when the tables change: a state of another layout is begun anew."""


class CannotRemember(Complaint):
    """The file beside cannot be used; the text says why."""


class Phase(IntEnum):
    """How far an import is; what a phase names is under way."""

    STAGING = 0
    COMPARING = 1
    PLANNED = 2
    SENDING = 3
    CHECKING = 4
    DONE = 5


class Fate(IntEnum):
    """What is to become, or became, of a row."""

    REFUSED = 0
    ACCEPTED = 1
    KNOWN = 2
    TO_ENROL = 3
    TO_LINK = 4
    ENROLLED = 5
    LINKED = 6


class IdentifierFate(IntEnum):
    """What is to become, or became, of an identifier of a row."""

    WAITING = 0
    ADDED = 1
    SEEN = 2
    """The member held it already."""
    REFUSED = 3


ARRIVED = (Fate.KNOWN, Fate.ENROLLED, Fate.LINKED)
"""Identity has the account."""


class StagedRow(NamedTuple):
    """A row as staging leaves it. The hashes are keyed by the content of the file."""

    number: int
    domain: str
    account: bytes | None
    person: bytes | None
    attributes: bytes | None
    content: bytes | None
    fate: Fate
    refused_column: str
    reason: str


class StagedIdentifier(NamedTuple):
    """An identifier of a row, as staging leaves it."""

    number: int
    """The row's."""
    type: str
    content: bytes
    """A hash of it and its account, keyed by the content of the file."""


class PlannedIdentifier(NamedTuple):
    """An identifier that waits to be added."""

    number: int
    type: str
    content: bytes
    member_id: str


class PlannedRow(NamedTuple):
    """A row that waits for something."""

    number: int
    content: bytes
    member_id: str | None
    """The member that it is to be linked to."""


_TABLES = """
CREATE TABLE import (
  layout INTEGER NOT NULL, source_key BLOB NOT NULL, request_key BLOB NOT NULL, phase INTEGER NOT NULL,
  refused_beforehand INTEGER NOT NULL
);
CREATE TABLE domains (code TEXT PRIMARY KEY, accounts_per_member INTEGER) WITHOUT ROWID;
CREATE TABLE rows (
  number INTEGER PRIMARY KEY,
  domain TEXT NOT NULL,
  account BLOB,
  person BLOB,
  attributes BLOB,
  content BLOB,
  fate INTEGER NOT NULL,
  refused_column TEXT NOT NULL,
  reason TEXT NOT NULL,
  lead INTEGER,
  member_id TEXT,
  found_id TEXT
);
CREATE TABLE identifiers (
  number INTEGER NOT NULL,
  type TEXT NOT NULL,
  content BLOB NOT NULL,
  fate INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (number, type)
) WITHOUT ROWID;
"""


class State:
    """The memory of one import."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)

    def close(self) -> None:
        """Lets others open it."""
        self._database.close()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def run(self, statement: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        return self._database.execute(statement, values or {}).fetchall()

    def run_many(self, statement: str, values: Iterable[Any]) -> None:
        """A statement for each of many values."""
        self._database.executemany(statement, values)

    def prepare(self, source_key: bytes) -> None:
        """Goes on with the import of this file, if one was broken off while it was sent; or else begins one.

        What was read and compared, and then not sent, may no longer be true.
        """
        self.run("PRAGMA locking_mode = EXCLUSIVE")
        self.run("PRAGMA journal_mode = WAL")
        self.run("PRAGMA synchronous = NORMAL")
        if not self._goes_on(source_key):
            with self.changing():
                self._begin(source_key)

    def _goes_on(self, source_key: bytes) -> bool:
        if not self.run("SELECT 1 FROM sqlite_master WHERE name = 'import'"):
            return False
        ((layout, key, phase),) = self.run("SELECT layout, source_key, phase FROM import")
        return bool((layout, key) == (LAYOUT, source_key) and Phase.SENDING <= phase < Phase.DONE)

    def _begin(self, source_key: bytes) -> None:
        for table in ("import", "domains", "rows", "identifiers"):
            self.run(f"DROP TABLE IF EXISTS {table}")
        for statement in _TABLES.split(";"):
            self.run(statement)
        self.run(
            "INSERT INTO import VALUES (:layout, :source, :request, :phase, 0)",
            {"layout": LAYOUT, "source": source_key, "request": token_bytes(KEY_BYTES), "phase": Phase.STAGING},
        )

    @property
    def phase(self) -> Phase:
        """What is under way."""
        ((phase,),) = self.run("SELECT phase FROM import")
        return Phase(phase)

    def enter(self, phase: Phase) -> None:
        """What is under way from now on; within a transaction."""
        self.run("UPDATE import SET phase = :phase", {"phase": phase})

    @property
    def refused_beforehand(self) -> int:
        """How many rows were refused before anything was sent."""
        ((refused,),) = self.run("SELECT refused_beforehand FROM import")
        return int(refused)

    def domains(self) -> frozenset[str]:
        """The domains as they were known when the file was read."""
        return frozenset(code for (code,) in self.run("SELECT code FROM domains"))

    def request_ids(self) -> "RequestIds":
        """The request ids of this import."""
        ((key,),) = self.run("SELECT request_key FROM import")
        return RequestIds(key)

    def stage(self, rows: Iterable[StagedRow]) -> None:
        """Adds rows."""
        self.run_many(
            "INSERT INTO rows (number, domain, account, person, attributes, content, fate, refused_column, reason)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def stage_identifiers(self, identifiers: Iterable[StagedIdentifier]) -> None:
        """Adds identifiers of rows."""
        self.run_many("INSERT INTO identifiers (number, type, content) VALUES (?, ?, ?)", identifiers)

    def waiting_identifiers(self, after: tuple[int, str], limit: int) -> list[PlannedIdentifier]:
        """Identifiers behind one, by row and type, that wait to be added to a member that is there."""
        arrived = ", ".join(str(int(fate)) for fate in ARRIVED)
        found = self.run(
            "SELECT i.number, i.type, i.content, coalesce(r.member_id, lead.member_id)"
            " FROM identifiers i JOIN rows r ON r.number = i.number LEFT JOIN rows lead ON lead.number = r.lead"
            f" WHERE i.fate = {int(IdentifierFate.WAITING)} AND r.fate IN ({arrived})"
            " AND (i.number, i.type) > (:number, :type) ORDER BY i.number, i.type LIMIT :limit",
            {"number": after[0], "type": after[1], "limit": limit},
        )
        return [PlannedIdentifier(*row) for row in found]

    def count_waiting_identifiers(self) -> int:
        """How many identifiers were not sent yet."""
        ((count,),) = self.run(f"SELECT count(*) FROM identifiers WHERE fate = {int(IdentifierFate.WAITING)}")
        return int(count)

    def settle_identifiers(self, settled: Iterable[tuple[IdentifierFate, str, int, str]]) -> None:
        """Notes what became of identifiers: fate, reason, row and type."""
        self.run_many("UPDATE identifiers SET fate = ?, reason = ? WHERE number = ? AND type = ?", settled)

    def waiting(self, fates: Iterable[Fate], after: int, limit: int) -> list[PlannedRow]:
        """Rows of these fates behind a number, in their order, with the member that each is to be linked to."""
        listed = ", ".join(str(int(fate)) for fate in fates)
        found = self.run(
            "SELECT r.number, r.content, coalesce(r.member_id, lead.member_id)"
            " FROM rows r LEFT JOIN rows lead ON lead.number = r.lead"
            f" WHERE r.fate IN ({listed}) AND r.number > :after ORDER BY r.number LIMIT :limit",
            {"after": after, "limit": limit},
        )
        return [PlannedRow(*row) for row in found]

    def count(self, fates: Iterable[Fate]) -> int:
        """How many rows have one of these fates."""
        listed = ", ".join(str(int(fate)) for fate in fates)
        ((count,),) = self.run(f"SELECT count(*) FROM rows WHERE fate IN ({listed})")
        return int(count)

    def settle(self, settled: Iterable[tuple[Fate, str | None, int]]) -> None:
        """Notes what became of rows: fate, member and number."""
        self.run_many("UPDATE rows SET fate = ?, member_id = coalesce(?, member_id) WHERE number = ?", settled)

    def refuse(self, refused: Iterable[tuple[int, Refusal]]) -> None:
        """Notes rows that are refused."""
        self.run_many(
            f"UPDATE rows SET fate = {int(Fate.REFUSED)}, refused_column = ?, reason = ? WHERE number = ?",
            ((refusal.column, refusal.reason, number) for number, refusal in refused),
        )

    def refusals(self) -> Iterator[tuple[int, Refusal]]:
        """The refused rows and identifiers, by number."""
        cursor = self._database.execute(
            f"SELECT number, refused_column, reason FROM rows WHERE fate = {int(Fate.REFUSED)}"
            f" UNION ALL SELECT number, '{IDENTIFIER_PREFIX}' || type, reason FROM identifiers"
            f" WHERE fate = {int(IdentifierFate.REFUSED)} ORDER BY 1, 2"
        )
        return ((number, Refusal(column, reason)) for number, column, reason in cursor)


class RequestIds:
    """Request ids come of the import and of what a row says: sent again, a row is a retry; imported anew, it is not."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, content: bytes) -> str:
        """The request id of a row with this content."""
        return f"import/{blake2b(content, key=self._key, digest_size=HASH_BYTES).hexdigest()}"


@contextmanager
def open_state(path: Path, source_key: bytes) -> Iterator[State]:
    """The memory of the import of a file. Raises CannotRemember."""
    if not path.exists():
        try:
            path.touch(mode=0o600)
        except OSError as error:
            raise CannotRemember(f"{path} cannot be written: {error.strerror}") from None
    state = State(path)
    try:
        state.prepare(source_key)
        yield state
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise CannotRemember(f"another import is using {path}") from None
        raise CannotRemember(f"{path} cannot be used: {error}") from None
    except sqlite3.DatabaseError as error:
        raise CannotRemember(f"{path} cannot be used: {error}; without it the import begins anew") from None
    finally:
        state.close()
