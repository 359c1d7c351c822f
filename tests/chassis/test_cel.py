"""Conditions: checked when they are published, with the place of every mistake; never an error when they are used."""

import pytest

from services.chassis import cel
from services.chassis.cel import Conditions, ExpressionError
from tessera.points.v1 import activity_pb2

CONDITIONS = Conditions(
    {
        "line": cel.message_type("tessera.points.v1.ActivityLine", "tessera.points.v1.activity_pb2"),
        "level": cel.STRING,
        "rank": cel.INT_MAP,
        "at": cel.TIMESTAMP,
    }
)


def holds(source: str, **data: object) -> bool:
    return CONDITIONS.compile(source).holds({"level": "gold", "rank": {"shopper": 2}, **data})


def test_a_condition_holds_or_does_not() -> None:
    assert holds("level == 'gold' && rank['shopper'] >= 2")
    assert not holds("level in ['silver', 'bronze']")
    assert holds("line.sku.startsWith('A')", line=activity_pb2.ActivityLine(sku="A1"))


def test_a_condition_that_cannot_be_evaluated_does_not_hold() -> None:
    assert not holds("rank['traveller'] >= 0")
    assert not holds("1 / (rank['shopper'] - 2) == 0")
    assert holds("rank['nobody'] == 1 || level == 'gold'"), "what is known decides, as CEL says"


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ("levl == 'gold'", r"^line 1, column 1: undeclared reference to 'levl'"),
        ("level == 'gold' &&\n  lin.sku == ''", r"^line 2, column 6: undeclared reference to 'lin.sku'"),
        ("line.colour == 'red'", r"^line 1, column 5: .*undefined field 'colour'"),
        ("level == 5", r"^line 1, column 7: .*no matching overload"),
        ("level ==", r"^line 1, column \d+: Syntax error"),
        ("level", r"^line 1, column 1: is neither true nor false"),
        ("", r"^line 1, column \d+: Syntax error"),
        ("level == '" + "x" * 4000 + "'", r"^line 1, column 1: longer than 4000 characters"),
    ],
    ids=["name", "second line", "field", "type", "syntax", "not a condition", "nothing", "too long"],
)
def test_a_mistake_is_told_with_its_place(source: str, mistake: str) -> None:
    with pytest.raises(ExpressionError, match=mistake):
        CONDITIONS.compile(source)
