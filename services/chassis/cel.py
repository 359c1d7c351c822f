"""Conditions in CEL: checked against declared variables when published, compiled once, evaluated in microseconds."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from cel_expr_python import cel
from google.protobuf import descriptor_pool

MAX_EXPRESSION_CHARACTERS = 4_000
"""Longer conditions are programs; a rule should be split instead."""

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
        """Whether it holds; one that cannot be evaluated on this data (a missing map key, say) does not."""
        return self._expression.eval(data=data).value() is True


class Conditions:
    """Compiles conditions over the same variables."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._environment = cel.NewEnv(descriptor_pool=descriptor_pool.Default(), variables=dict(variables))

    def compile(self, source: str) -> Condition:
        """A condition. Raises ExpressionError for unknown names, wrong types, and what is not true or false."""
        if len(source) > MAX_EXPRESSION_CHARACTERS:
            raise ExpressionError(f"longer than {MAX_EXPRESSION_CHARACTERS} characters", 1, 1)
        try:
            expression = self._environment.compile(source)
        except RuntimeError as error:
            raise _located(str(error)) from None
        if expression.return_type() != cel.Type.BOOL:
            raise ExpressionError("is neither true nor false", 1, 1)
        return Condition(expression, source)


def _located(text: str) -> ExpressionError:
    found = _POSITION.search(text)
    if found is None:
        return ExpressionError("cannot be compiled", 1, 1)
    return ExpressionError(found[3].replace(" (in container '')", ""), int(found[1]), int(found[2]))
