"""What is owed to members, summed over the partitions."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tessera.points.v1 import points_service_pb2 as pb

MAX_LINES = 1_000
"""Lines of an answer: some hundred kilobytes."""
MAX_SUM = (1 << 63) - 1

_FIGURES = ("outstanding", "held", "overdue", "expired")
Line = tuple[str, str, str]
"""Unit, funder and month of expiry; the month is empty for what never expires."""


@dataclass(slots=True)
class Owed:
    """Sums by line, and what members owe by unit and funder."""

    lines: dict[Line, Counter[str]] = field(default_factory=dict)
    receivables: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, lines: Iterable[Any], receivables: Iterable[Any]) -> None:
        """Add what a partition comes to."""
        for unit, funder, month, *figures in lines:
            sums = self.lines.setdefault((unit, funder, month), Counter())
            sums.update(dict(zip(_FIGURES, figures, strict=True)))
        for unit, funder, amount in receivables:
            self.receivables[unit, funder] += amount

    @property
    def is_empty(self) -> bool:
        """Whether nobody ever had anything."""
        return not self.lines and not self.receivables

    @property
    def is_in_range(self) -> bool:
        """Whether every sum can be told."""
        sums = [amount for figures in self.lines.values() for amount in figures.values()]
        return max([*sums, *self.receivables.values()], default=0) <= MAX_SUM

    def answers(self) -> Iterator[pb.GetLiabilityResponse]:
        """All lines in order, never last within its funder, then all receivables."""
        lines = [
            pb.GetLiabilityResponse.Liability(unit=unit, funder=funder, expiry_month=month, **figures)
            for (unit, funder, month), figures in sorted(self.lines.items(), key=_place)
        ]
        for first in range(0, len(lines), MAX_LINES):
            yield pb.GetLiabilityResponse(lines=lines[first : first + MAX_LINES])
        receivables = [
            pb.GetLiabilityResponse.Receivable(unit=unit, funder=funder, amount=amount)
            for (unit, funder), amount in sorted(self.receivables.items())
        ]
        for first in range(0, len(receivables), MAX_LINES):
            yield pb.GetLiabilityResponse(receivables=receivables[first : first + MAX_LINES])


def _place(line: tuple[Line, Any]) -> tuple[str, str, bool, str]:
    unit, funder, month = line[0]
    return unit, funder, not month, month
