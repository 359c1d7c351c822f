"""Expressions in CEL: checked against declared variables when published, compiled once, evaluated in microseconds.

What an expression can cost is bounded. When it is published: its length, how deep it goes (the library's parser stops
at 32), how many macros (`all`, `exists`, `map`, …) stand in each other, and that it puts no texts or lists together,
since a few of these in each other make gigabytes of a letter. When it is evaluated: the library stops after 10,000
steps of macros. Regular expressions take linear time (RE2).
"""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from cel_expr_python import cel
from google.protobuf import descriptor_pool

MAX_EXPRESSION_CHARACTERS = 4_000
"""Longer conditions are programs; a rule should be split instead."""

MAX_MACROS_IN_EACH_OTHER = 2
"""A macro over lines within a macro over lines; one more would be a program."""

_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\($")
_PARENTHESES = re.compile(r"[^()]*[()]")
_PUTS_TOGETHER = (b"add_string", b"add_list", b"add_bytes")
"""The library's names of what grows texts and lists; of `+` between unknown types it names all three."""
STRINGS = re.compile(
    r"""//[^\n]*|"{3}(?:\\.|[^\\])*?"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL
)
"""What stands in quotes, and comments: nothing in it is a name."""
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_POSITION = re.compile(r"<input>:(\d+):(\d+): (.*)")

STRING = cel.Type.STRING
INT = cel.Type.INT
BOOL = cel.Type.BOOL
STRING_MAP = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
INT_MAP = cel.Type.Map(cel.Type.STRING, cel.Type.INT)
TIMESTAMP = cel.Type.TIMESTAMP


def message_type(full_name: str, defined_in: str) -> Any:
    """The type of a protobuf message (`tessera.points.v1.Activity`); `defined_in` is the module that brings it."""
    import_module(defined_in)
    return cel.Type(full_name)


class ExpressionError(ValueError):
    """An expression that does not compile, and where: line and column count from 1."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")


class Condition:
    """A compiled condition."""

    __slots__ = ("_expression", "source")

    def __init__(self, expression: Any, source: str) -> None:
        self._expression = expression
        self.source = source

    def holds(self, data: Mapping[str, Any]) -> bool:
        """Whether it holds; one that cannot be evaluated on this data (a missing map key, too many steps) does not."""
        try:
            return self._expression.eval(data=data).value() is True
        except RuntimeError:  # it takes too many steps
            return False

    def problem(self, data: Mapping[str, Any]) -> str:
        """Why it cannot be evaluated on this data; empty when it can."""
        value = _evaluated(self._expression, data)
        return value.problem if isinstance(value, NoValue) else ""


class NoValue(NamedTuple):
    """What an expression comes to that cannot be evaluated, and why."""

    problem: str


class Formula:
    """A compiled formula."""

    __slots__ = ("_expression", "source")

    def __init__(self, expression: Any, source: str) -> None:
        self._expression = expression
        self.source = source

    def value(self, data: Mapping[str, Any]) -> int | NoValue:
        """The whole number it comes to; NoValue for a division by zero, an overflow, a missing map key, …."""
        value: int | NoValue = _evaluated(self._expression, data)
        return value


def _evaluated(expression: Any, data: Mapping[str, Any]) -> Any:
    try:
        found = expression.eval(data=data)
    except RuntimeError as error:
        return NoValue(_STATUS.sub("", str(error)))
    return NoValue(_STATUS.sub("", found.value())) if found.type() == cel.Type.ERROR else found.value()


class Conditions:
    """Compiles conditions, and formulas, over the same variables."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._environment = cel.NewEnv(descriptor_pool=descriptor_pool.Default(), variables=dict(variables))

    def compile(self, source: str) -> Condition:
        """A condition. Raises ExpressionError for unknown names, wrong types, and what is not true or false."""
        return Condition(self._compile(source, cel.Type.BOOL, "is neither true nor false"), source)

    def compile_formula(self, source: str) -> Formula:
        """A formula. Raises ExpressionError for unknown names, wrong types, and what is no whole number (`int`)."""
        return Formula(self._compile(source, cel.Type.INT, "is no whole number (int)"), source)

    def _compile(self, source: str, wanted: Any, otherwise: str) -> Any:
        if len(source) > MAX_EXPRESSION_CHARACTERS:
            raise ExpressionError(f"longer than {MAX_EXPRESSION_CHARACTERS} characters", 1, 1)
        try:
            expression = self._environment.compile(source)
        except RuntimeError as error:
            raise _located(str(error)) from None
        if expression.return_type() != wanted:
            raise ExpressionError(otherwise, 1, 1)
        _check_macros(source)
        checked = expression.serialize()
        if any(name in checked for name in _PUTS_TOGETHER):
            raise ExpressionError("puts texts or lists together, which may grow without end", 1, 1)
        return expression


def _check_macros(source: str) -> None:
    """Raises ExpressionError when too many macros stand in each other."""
    bare = STRINGS.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)
    opened: list[bool] = []
    for piece in _PARENTHESES.finditer(bare):
        if piece[0].endswith(")"):
            if opened:
                opened.pop()
            continue
        opened.append(_MACRO.search(bare, 0, piece.end()) is not None)
        if sum(opened) > MAX_MACROS_IN_EACH_OTHER:
            line = bare.count("\n", 0, piece.end()) + 1
            column = piece.end() - (bare.rfind("\n", 0, piece.end()) + 1)
            raise ExpressionError(f"more than {MAX_MACROS_IN_EACH_OTHER} macros in each other", line, column)


def _located(text: str) -> ExpressionError:
    if "recursion" in text:
        return ExpressionError("goes too deep", 1, 1)
    found = _POSITION.search(text)
    if found is None:
        return ExpressionError("cannot be compiled", 1, 1)
    return ExpressionError(found[3].replace(" (in container '')", ""), int(found[1]), int(found[2]))
