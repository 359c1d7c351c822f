"""The error report: why each refused row was refused, without any value of it."""

import csv
from pathlib import Path

from tessera.complaints import Complaint
from tessera.imports.state import State

COLUMNS = ("row", "column", "reason", "meaning")


class CannotReport(Complaint):
    """The report cannot be written; the text says why."""


def write_report(state: State, path: Path) -> None:
    """Writes the report as a whole; one without rows says that none was refused. Raises CannotReport."""
    draft = path.with_name(f"{path.name}.draft")
    try:
        with draft.open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(COLUMNS)
            lines.writerows(
                (number, refusal.column, refusal.reason, refusal.meaning) for number, refusal in state.refusals()
            )
        draft.replace(path)
    except OSError as error:
        raise CannotReport(f"{path} cannot be written: {error.strerror}") from None
