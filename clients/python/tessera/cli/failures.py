"""What a person reads when a command fails."""

import json
import os
import traceback
from typing import Any

from rich.console import Console
from rich.markup import escape

from tessera.complaints import Complaint
from tessera.errors import Error

FAILED = 1
INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended."""

TRACEBACK_VARIABLE = "TESSERA_TRACEBACK"


class Failure(Complaint):
    """A command cannot do what it was asked; the text is for people."""


class Interrupted(Exception):
    """Ctrl-C or SIGTERM ended a command before it was done."""


def report_failure(error: Exception) -> int:
    """Says on stderr what went wrong; returns the exit code."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if isinstance(error, Interrupted):
        console.print("interrupted")
        return INTERRUPTED
    if os.environ.get(TRACEBACK_VARIABLE):
        console.print(escape("".join(traceback.format_exception(error))))
    console.print(f"[red]error:[/red] {escape(_text(error))}")
    if isinstance(error, Error):
        _explain(console, error)
    elif not isinstance(error, Complaint):
        console.print(f"This is a mistake in the tessera command; {TRACEBACK_VARIABLE}=1 shows where.")
    return FAILED


def as_json(error: Error) -> dict[str, Any]:
    """An error for machines."""
    return {
        "reason": error.reason,
        "code": error.code.name,
        "message": error.message,
        "metadata": error.metadata,
        "violations": [{"field": item.field, "description": item.description} for item in error.violations],
    }


def _text(error: Exception) -> str:
    if isinstance(error, Error) and not error.domain and error.code.name == "UNAVAILABLE":
        return f"the suite does not answer ({error.message})"
    if isinstance(error, Error | Complaint):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _explain(console: Console, error: Error) -> None:
    for name, value in sorted(error.metadata.items()):
        console.print(f"  {escape(name)}: {escape(value)}")
    for violation in error.violations:
        console.print(f"  {escape(violation.field)}: {escape(violation.description)}")


def dump(value: Any) -> str:
    """A value as JSON for machines."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
