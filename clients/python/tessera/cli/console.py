"""How commands talk: tables for people, JSON for machines, and the combined log of a suite."""

import json
import time
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tessera.topology import SERVICES


class Output(StrEnum):
    """How a command's result is printed."""

    TABLE = "table"
    JSON = "json"


TABLE_WIDTH = 240
"""More than any table needs."""

OutputOption = Annotated[Output, typer.Option("--output", "-o", help="A table for people or JSON for machines.")]
SuiteOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIRECTORY",
        envvar="TESSERA_SUITE",
        help="Which suite: the directory that it was started with, or a suite.json.",
        show_default="the suite started last",
    ),
]

_COLOURS = dict(zip(SERVICES, ("cyan", "green", "magenta", "blue"), strict=True))
_LEVELS = {"warning": "yellow", "error": "red", "critical": "red"}
_HIDDEN = {"event", "level", "logger", "timestamp", "service", "exception", "trace_id", "span_id"}


def out() -> Console:
    """Where results go. A table is as wide as it needs: a narrow terminal folds its lines, and no figure is cut off."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, TABLE_WIDTH)
    return console


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table; a column whose name begins with > holds numbers and is aligned to the right."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left", no_wrap=True)
    return made


def number(value: int) -> str:
    """A whole number, in groups of three digits."""
    return f"{value:,}"


class LogPrinter:
    """Prints what the services say: every line, or only warnings and worse."""

    def __init__(self, console: Console, *, everything: bool) -> None:
        self._console = console
        self._everything = everything
        self._started = time.monotonic()

    def note(self, text: str) -> None:
        """Something a person should know."""
        self._console.print(Text(text, style="yellow"))

    def line(self, name: str, line: str) -> None:
        """A line of a service: JSON as its logger writes it, or text of an interpreter that dies."""
        record = _parse(line)
        if record is None:
            self._console.print(_prefix(name).append(line))
        elif self._everything or record.get("level") in _LEVELS:
            self._console.print(_prefix(name).append_text(_message(record)))


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _prefix(name: str) -> Text:
    return Text(f"{name:<8} │ ", style=_COLOURS.get(name, "white"))


def _message(record: dict[str, Any]) -> Text:
    level = str(record.get("level", "info"))
    text = Text(f"{str(record.get('timestamp', ''))[11:19]} ", style="dim")
    text.append(f"{level:<7} ", style=_LEVELS.get(level, "dim"))
    text.append(str(record.get("event", "")))
    for name, value in record.items():
        if name not in _HIDDEN and value is not None:
            text.append(f" {name}=", style="dim").append(str(value))
    if exception := record.get("exception"):
        text.append(f"\n{str(exception).rstrip()}", style="red")
    return text
