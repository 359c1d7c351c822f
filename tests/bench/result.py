"""What a row comes to, the table of all rows, and the file of them."""

import json
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

_NUMBERS = frozenset({"ours", "reference", "ratio", "target"})
ROUNDS = 3
"""A machine is never quiet for long: ours and reference take turns, and the median of each counts."""

Measure = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table. Without a reference `ours` must not be above `target`, else `ratio` not below it."""

    name: str
    ours: float | None
    reference: float | None
    target: float | None
    unit: str
    note: str = ""
    """For people; the reason when nothing was measured."""

    @property
    def ratio(self) -> float | None:
        """Ours by reference."""
        return self.ours / self.reference if self.ours is not None and self.reference else None

    @property
    def is_met(self) -> bool:
        """Whether the target is met."""
        if self.ours is None or self.target is None:
            return False
        return self.ours <= self.target if self.ratio is None else self.ratio >= self.target


async def in_turns(*measures: Measure) -> tuple[float, ...]:
    """The medians of some rounds, in each of which every one is measured once, in order."""
    rounds = [[await measure() for measure in measures] for _ in range(ROUNDS)]
    return tuple(statistics.median(figures) for figures in zip(*rounds, strict=True))


def print_results(console: Console, results: Sequence[Result]) -> None:
    """The rows as people read them."""
    listing = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("row", "ours", "reference", "unit", "ratio", "target", ""):
        listing.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=True)
    for result in results:
        listing.add_row(
            result.name,
            _figure(result.ours),
            _figure(result.reference),
            result.unit,
            f"{result.ratio:.2f}" if result.ratio is not None else "",
            _target(result),
            _verdict(result),
        )
    console.print(listing)
    for result in results:
        if result.note:
            console.print(f"{result.name}: {result.note}", style="dim", markup=False)


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _target(result: Result) -> str:
    if result.target is None:
        return ""
    return f"{'≤' if result.reference is None else '≥'} {result.target:g}"


def _verdict(result: Result) -> str:
    if result.ours is None:
        return "[dim]not measured"
    return "[green]met" if result.is_met else "[red]not met"


def write_json(results: Sequence[Result], file: Path) -> None:
    """The rows as machines read them."""
    rows = [
        {
            "name": result.name,
            "ours": _rounded(result.ours),
            "reference": _rounded(result.reference),
            "ratio": _rounded(result.ratio),
            "target": result.target,
            "unit": result.unit,
        }
        for result in results
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows, indent=2) + "\n")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
