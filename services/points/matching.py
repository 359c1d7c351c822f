"""Whether an earn rule's conditions hold, for an activity and for each of its lines.

Most conditions look at a few fields with few values: a domain, a category, a level. Their answers are remembered by
those values, since a year of shopping has a million lines and a few hundred categories.
"""

import re
from collections.abc import Iterable, Mapping
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

_STRINGS = re.compile(
    r"""//[^\n]*|"{3}(?:\\.|[^\\])*?"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL
)
"""What stands in quotes, and comments: names in it are none."""
_NAMES = re.compile(r"\b(activity|line|level)\b(?:\.(\w+))?")


class _Answers:
    """A condition and the answers it has given, by the values it looks at."""

    __slots__ = ("_activity_fields", "_by_values", "_condition", "_is_remembered", "_line_fields", "_looks_at_level")

    def __init__(self, condition: Condition) -> None:
        names = _NAMES.findall(_STRINGS.sub("''", condition.source))
        self._condition = condition
        self._by_values: dict[Any, bool] = {}
        self._activity_fields = tuple(sorted({field for name, field in names if name == "activity"}))
        self._line_fields = tuple(sorted({field for name, field in names if name == "line"}))
        self._looks_at_level = any(name == "level" for name, _ in names)
        # A message looked at as a whole has no values to remember it by.
        self._is_remembered = all(field for name, field in names if name != "level")

    def about(self, activity: Any, level: Mapping[str, str]) -> tuple[Any, ...]:
        """What an activity and its member's levels contribute to the values."""
        if not self._is_remembered:
            return ()
        levels = tuple(level.items()) if self._looks_at_level else ()
        return (*levels, *[getattr(activity, field) for field in self._activity_fields])

    def ask(self, about: tuple[Any, ...], line: Any, activity: Any, level: Mapping[str, str]) -> bool:
        """Whether it holds; `about` is what the activity contributes, `line` is None for an activity as a whole."""
        if not self._is_remembered:
            return self._evaluate(line, activity, level)
        values = (about, *[getattr(line, field) for field in self._line_fields])
        try:
            answer = self._by_values.get(values)
        except TypeError:  # a list, a map or a message is among the values
            self._is_remembered = False
            return self._evaluate(line, activity, level)
        if answer is None:
            answer = self._evaluate(line, activity, level)
            if len(self._by_values) < MAX_REMEMBERED:
                self._by_values[values] = answer
        return answer

    def _evaluate(self, line: Any, activity: Any, level: Mapping[str, str]) -> bool:
        data = {"activity": activity, "level": level}
        return self._condition.holds(data if line is None else {**data, "line": line})


class ActivityCondition:
    """A condition over the activity as a whole, and the member's levels."""

    __slots__ = ("_answers",)

    def __init__(self, condition: Condition) -> None:
        self._answers = _Answers(condition)

    @classmethod
    def compile(cls, source: str) -> "ActivityCondition":
        """The condition of a rule. Raises cel.ExpressionError."""
        return cls(_ACTIVITY_CONDITIONS.compile(source))

    def holds(self, activity: Any, level: Mapping[str, str]) -> bool:
        """Whether it holds."""
        answers = self._answers
        return answers.ask(answers.about(activity, level), None, activity, level)


class LineCondition:
    """A condition over one line, and what the activity says of it."""

    __slots__ = ("_answers",)

    def __init__(self, condition: Condition) -> None:
        self._answers = _Answers(condition)

    @classmethod
    def compile(cls, source: str) -> "LineCondition":
        """The condition of a rule's lines. Raises cel.ExpressionError."""
        return cls(_LINE_CONDITIONS.compile(source))

    def matching(self, lines: Iterable[Any], activity: Any, level: Mapping[str, str]) -> list[Any]:
        """The lines for which it holds."""
        answers = self._answers
        about = answers.about(activity, level)
        return [line for line in lines if answers.ask(about, line, activity, level)]
