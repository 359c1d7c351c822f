"""Whether an earn rule's conditions hold, for an activity and for each of its lines, and what its formula comes to.

Most conditions look at a few fields with few values: a domain, a category, a level. Their answers are remembered by
those values, since a year of shopping has a million lines and a few hundred categories.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from services.chassis import cel
from services.chassis.cel import Condition

MAX_REMEMBERED = 65_536
"""Combinations of values whose answer is remembered; further ones are asked afresh."""

_CONTRACT = "tessera.points.v1.activity_pb2"
_ACTIVITY = cel.message_type("tessera.points.v1.Activity", _CONTRACT)
_LINE = cel.message_type("tessera.points.v1.ActivityLine", _CONTRACT)
_ACTIVITY_CONDITIONS = cel.Conditions({"activity": _ACTIVITY, "level": cel.STRING_MAP})
_LINE_CONDITIONS = cel.Conditions({"activity": _ACTIVITY, "level": cel.STRING_MAP, "line": _LINE})
_FORMULAS = cel.Conditions({"activity": _ACTIVITY, "level": cel.STRING_MAP, "base": cel.INT})
_LINE_FORMULAS = cel.Conditions({"activity": _ACTIVITY, "level": cel.STRING_MAP, "base": cel.INT, "line": _LINE})

_NAMES = re.compile(r"\b(activity|line|level)\b(?:\.(\w+))?")
_LADDERS = re.compile(
    r"""\blevel\s*\[\s*["']([a-z0-9-]+)["']\s*\]|\blevel\.(\w+)|["']([a-z0-9-]+)["']\s+in\s+level\b"""
)


def ladders_in(source: str) -> set[str]:
    """The ladders that an expression names: `level["shopper"]`, `level.shopper`, `"shopper" in level`."""
    return {name for names in _LADDERS.findall(source) for name in names if name}


class _Memory:
    """A condition and the answers it has given, by the values it looks at."""

    def __init__(self, condition: Condition) -> None:
        names = _NAMES.findall(cel.STRINGS.sub("''", condition.source))
        self._condition = condition
        self._answers: dict[Any, dict[Any, bool]] = {}
        self._size = 0
        self._of_activity = _getter({field for name, field in names if name == "activity"})
        self.of_line = _getter({field for name, field in names if name == "line"})
        """What a line contributes to the values."""
        self._looks_at_level = any(name == "level" for name, _ in names)
        # A message looked at as a whole has no values to remember it by.
        self._is_of_values = all(field for name, field in names if name != "level")

    def about(self, activity: Any, level: Mapping[str, str]) -> dict[Any, bool]:
        """The answers about such an activity of a member with such levels, by what a line contributes.

        Raises TypeError when there is nothing to remember them by: a list, a map or a message is among the values.
        """
        if not self._is_of_values:
            raise TypeError
        about = self._of_activity(activity), tuple(level.items()) if self._looks_at_level else ()
        answers = self._answers.get(about)
        if answers is None:
            answers = {}
            self._keep(self._answers, about, answers)
        return answers

    def ask(self, answers: dict[Any, bool], values: Any, line: Any, activity: Any, level: Mapping[str, str]) -> bool:
        """Ask what was not asked before, and remember the answer."""
        answer = self.ask_afresh(line, activity, level)
        self._keep(answers, values, answer)
        return answer

    def _keep(self, where: dict[Any, Any], key: Any, value: Any) -> None:
        if self._size < MAX_REMEMBERED:
            self._size += 1
            where[key] = value

    def problem(self, line: Any, activity: Any, level: Mapping[str, str]) -> str:
        """Why it cannot be evaluated; empty when it can."""
        data = {"activity": activity, "level": level}
        return self._condition.problem(data if line is None else {**data, "line": line})

    def ask_afresh(self, line: Any, activity: Any, level: Mapping[str, str]) -> bool:
        """Whether it holds; `line` is None for an activity as a whole."""
        data = {"activity": activity, "level": level}
        return self._condition.holds(data if line is None else {**data, "line": line})


def _getter(fields: Iterable[str]) -> Callable[[Any], Any]:
    """Gets the values of a message's fields."""
    names = sorted(fields)
    return attrgetter(*names) if all(names) and names else lambda _: None


class ActivityCondition:
    """A condition over the activity as a whole, and the member's levels."""

    __slots__ = ("_memory",)

    def __init__(self, condition: Condition) -> None:
        self._memory = _Memory(condition)

    @classmethod
    def compile(cls, source: str) -> "ActivityCondition":
        """The condition of a rule. Raises cel.ExpressionError."""
        return cls(_ACTIVITY_CONDITIONS.compile(source))

    def problem(self, activity: Any, level: Mapping[str, str]) -> str:
        """Why it cannot be evaluated on this activity; empty when it can."""
        return self._memory.problem(None, activity, level)

    def holds(self, activity: Any, level: Mapping[str, str]) -> bool:
        """Whether it holds."""
        memory = self._memory
        try:
            answers = memory.about(activity, level)
        except TypeError:
            return memory.ask_afresh(None, activity, level)
        answer = answers.get(None)
        return memory.ask(answers, None, None, activity, level) if answer is None else answer


class LineCondition:
    """A condition over one line, and what the activity says of it."""

    __slots__ = ("_memory",)

    def __init__(self, condition: Condition) -> None:
        self._memory = _Memory(condition)

    @classmethod
    def compile(cls, source: str) -> "LineCondition":
        """The condition of a rule's lines. Raises cel.ExpressionError."""
        return cls(_LINE_CONDITIONS.compile(source))

    def problem(self, lines: Sequence[Any], activity: Any, level: Mapping[str, str]) -> str:
        """Why it cannot be evaluated on the first line on which it cannot; empty when it can on all."""
        return next((found for line in lines if (found := self._memory.problem(line, activity, level))), "")

    def matching(self, lines: Sequence[Any], activity: Any, level: Mapping[str, str]) -> list[int]:
        """The numbers of the lines for which it holds."""
        memory = self._memory
        try:
            answers = memory.about(activity, level)
            asked = [(values, answers.get(values)) for values in map(memory.of_line, lines)]
        except TypeError:
            return [number for number, line in enumerate(lines) if memory.ask_afresh(line, activity, level)]
        return [
            number
            for number, (values, answer) in enumerate(asked)
            if (memory.ask(answers, values, lines[number], activity, level) if answer is None else answer)
        ]


class PointsFormula:
    """How much a rule gives, over the activity, the member's levels and `base`; and `line` when each is reckoned."""

    __slots__ = ("_formula", "_looks_at_lines")

    def __init__(self, formula: cel.Formula) -> None:
        self._formula = formula
        names = _NAMES.findall(cel.STRINGS.sub("''", formula.source))
        self._looks_at_lines = any(name == "activity" and field in ("", "lines") for name, field in names)

    @classmethod
    def compile(cls, source: str, *, per_line: bool) -> "PointsFormula":
        """The formula of a rule. Raises cel.ExpressionError."""
        return cls((_LINE_FORMULAS if per_line else _FORMULAS).compile_formula(source))

    def value(self, base: int, line: Any, activity: Any, level: Mapping[str, str]) -> int | cel.NoValue:
        """What it comes to for the base of a line, or (None) of all lines together."""
        data = {"activity": activity, "level": level, "base": base}
        return self._formula.value(data if line is None else {**data, "line": line})

    def activity_of_lines(self, activity: Any) -> Any:
        """The activity to ask about line by line: without its lines, unless the formula looks at them.

        It is handed over whole each time; a thousand lines a thousand times take seconds.
        """
        if self._looks_at_lines:
            return activity
        bare = type(activity)()
        bare.CopyFrom(activity)
        bare.ClearField("lines")
        return bare
