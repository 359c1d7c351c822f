"""Whether an earn rule's conditions hold, for an activity and for each of its lines."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from services.chassis.cel import Condition

_LINE_FIELD = re.compile(r"\bline\.(\w+)")
_WITHOUT_LINE_FIELDS = re.compile(r"\b(activity|level|line)\b(?!\.)|\b(activity|level)\b")
MAX_REMEMBERED = 65_536
"""Combinations of line fields whose answer is remembered; a condition over more is asked afresh."""


class ActivityCondition:
    """A condition over the activity as a whole, and the member's levels."""

    __slots__ = ("_condition",)

    def __init__(self, condition: Condition) -> None:
        self._condition = condition

    def holds(self, activity: Any, level: Mapping[str, str]) -> bool:
        """Whether it holds."""
        return self._condition.holds({"activity": activity, "level": level})


class LineCondition:
    """A condition over one line.

    Where it looks at fields of the line alone, its answer for a combination of them is remembered: a year of shopping has
    a million lines and a few hundred categories.
    """

    __slots__ = ("_condition", "_fields", "_remembered")

    def __init__(self, condition: Condition) -> None:
        self._condition = condition
        self._remembered: dict[Any, bool] = {}
        looks_elsewhere = _WITHOUT_LINE_FIELDS.search(_without_strings(condition.source)) is not None
        self._fields = () if looks_elsewhere else tuple(sorted(set(_LINE_FIELD.findall(condition.source))))

    def matching(self, lines: Iterable[Any], activity: Any, level: Mapping[str, str]) -> list[Any]:
        """The lines for which it holds."""
        if not self._fields:
            return [line for line in lines if self._ask(line, activity, level)]
        matching = []
        remembered = self._remembered
        fields = self._fields
        for line in lines:
            key = getattr(line, fields[0]) if len(fields) == 1 else tuple(getattr(line, name) for name in fields)
            holds = remembered.get(key)
            if holds is None:
                holds = self._ask(line, activity, level)
                if len(remembered) < MAX_REMEMBERED:
                    remembered[key] = holds
            if holds:
                matching.append(line)
        return matching

    def _ask(self, line: Any, activity: Any, level: Mapping[str, str]) -> bool:
        return self._condition.holds({"line": line, "activity": activity, "level": level})


def _without_strings(source: str) -> str:
    """The expression without what stands in quotes, where a word is no name."""
    return re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", "''", source)
