"""Conditions: checked when they are published, with the place of every mistake; never an error when they are used."""

import pytest

from services.chassis import cel
from services.chassis.cel import Conditions, ExpressionError, NoValue
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
        ("(" * 40 + "true" + ")" * 40, r"^line 1, column 1: goes too deep"),
        (" && ".join(["-" * 3 + "rank['a'] == 1"] * 9) + " || " + "[" * 40 + "]" * 40 + " == []", r"goes too deep"),
        ("level + level == ''", r"^line 1, column 1: puts texts or lists together"),
        ("[1] + [2] == [3]", r"^line 1, column 1: puts texts or lists together"),
        ("b'a' + b'b' == b''", r"^line 1, column 1: puts texts or lists together"),
        ("dyn(level) + dyn(level) == ''", r"^line 1, column 1: puts texts or lists together"),
        (
            "[1].all(a, '.all(' != level &&\n [1].exists(b,\n  [1] . map(c, c) == [1]))",
            r"^line 3, column 12: more than 2 macros in each other",
        ),
    ],
    ids=[
        *("name", "second line", "field", "type", "syntax", "not a condition", "nothing", "too long"),
        *("too deep", "too deep a list", "texts", "lists", "bytes", "unknown types", "macros"),
    ],
)
def test_a_mistake_is_told_with_its_place(source: str, mistake: str) -> None:
    with pytest.raises(ExpressionError, match=mistake):
        CONDITIONS.compile(source)


def test_what_is_in_quotes_or_beside_each_other_is_not_in_each_other() -> None:
    assert holds("[1].all(a, '.all(.all(.all(' != level) && [1].all(b, [b].all(c, c == 1)) && [2].all(d, d == 2)")


def test_a_condition_that_takes_too_many_steps_does_not_hold_and_says_so() -> None:
    lines = cel.message_type("tessera.points.v1.Activity", "tessera.points.v1.activity_pb2")
    condition = Conditions({"activity": lines}).compile("activity.lines.all(a, activity.lines.all(b, a.sku == b.sku))")
    few, many = (activity_pb2.Activity(lines=[activity_pb2.ActivityLine()] * count) for count in (50, 1000))
    assert condition.holds({"activity": few})
    assert condition.problem({"activity": few}) == ""
    assert not condition.holds({"activity": many})
    assert condition.problem({"activity": many}) == "Iteration budget exceeded"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("rank['shopper'] * 21", 42),
        ("rank['traveller']", NoValue('Key not found in map : "traveller"')),
        ("1 / (rank['shopper'] - 2)", NoValue("divide by zero")),
        ("9223372036854775807 + rank['shopper']", NoValue("integer overflow")),
        ("int(level)", NoValue("cannot convert string to int")),
    ],
)
def test_a_formula_comes_to_a_whole_number_or_says_why_not(source: str, value: object) -> None:
    assert CONDITIONS.compile_formula(source).value({"level": "gold", "rank": {"shopper": 2}}) == value


@pytest.mark.parametrize("source", ["1.5", "level", "true", "1u", "dyn(1)", "null", "[1, 'a'][0]"])
def test_what_is_no_whole_number_is_no_formula(source: str) -> None:
    with pytest.raises(ExpressionError, match=r"^line 1, column 1: is no whole number \(int\)"):
        CONDITIONS.compile_formula(source)
