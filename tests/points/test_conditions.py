"""What a condition answered is remembered by the values it looks at; it is always what it would answer afresh."""

from itertools import product

import pytest
from google.protobuf.message import Message

from services.chassis import cel
from services.points.matching import ActivityCondition, LineCondition
from tessera.points.v1 import activity_pb2

LINES = [
    activity_pb2.ActivityLine(sku=sku, category=category, cash_minor=paid)
    for sku, category, paid in product(["a", "\\", "activity"], ["MILK", "line.sku"], [0, 100])
]
ACTIVITIES = [
    activity_pb2.Activity(type=kind, domain=domain, attributes=attributes, lines=lines)
    for kind, domain in product(["purchase", "review"], ["fuel", "grocery"])
    for attributes in ({}, {"channel": "app"})
    for lines in (LINES[:1], LINES[5:])
]
LEVELS = [{}, {"shopper": "gold"}, {"shopper": "silver"}]
CONTRACT = activity_pb2.__name__
VARIABLES = {"activity": cel.message_type("tessera.points.v1.Activity", CONTRACT), "level": cel.STRING_MAP}
OF_ACTIVITIES = cel.Conditions(VARIABLES)
OF_LINES = cel.Conditions({**VARIABLES, "line": cel.message_type("tessera.points.v1.ActivityLine", CONTRACT)})
CONDITIONS = [
    'line.category == "MILK"',
    'line.category == "MILK" && line.cash_minor > 50',
    'line.category == "MILK" && activity.type == "review"',
    'line.category == "MILK" && level["shopper"] == "gold"',
    '"shopper" in level && line.cash_minor > 50',
    'line.sku == "activity" || line.category == "line.sku"',
    'line.sku == r"\\\\" || activity.type == "review" || line.sku == "a"',
    "line.sku == '''it's''' || activity.type == 'review'",
    "// don't count\nline.sku == 'a' && activity.type == 'review' // isn't it",
    'line . sku == "a"',
    '[line].exists(one, one.sku == "a")',
    'activity.lines.exists(line, line.sku == "a")',
    "activity.lines[0].sku == line.sku",
    '"channel" in activity.attributes && line.cash_minor > 50',
    "line == activity.lines[0]",
    "has(line.sku) && size(activity.lines) > 1",
    "true",
]


@pytest.mark.parametrize("source", CONDITIONS)
def test_a_remembered_answer_is_the_one_given_afresh(source: str) -> None:
    remembering, asked_afresh = LineCondition.compile(source), OF_LINES.compile(source)
    for activity, level in product(ACTIVITIES, LEVELS):
        about: dict[str, Message | dict[str, str]] = {"activity": activity, "level": level}
        afresh = [number for number, line in enumerate(LINES) if asked_afresh.holds({**about, "line": line})]
        assert remembering.matching(LINES, activity, level) == afresh


@pytest.mark.parametrize(
    "source",
    [
        'activity.type == "review"',
        'activity.domain == "fuel" && level["shopper"] == "gold"',
        '"channel" in activity.attributes',
        'activity.lines.exists(line, line.sku == "a")',
        'activity.type == r"\\\\" || activity.domain == "fuel"',
    ],
)
def test_so_is_one_about_the_activity(source: str) -> None:
    remembering, asked_afresh = ActivityCondition.compile(source), OF_ACTIVITIES.compile(source)
    for activity, level in product(ACTIVITIES, LEVELS):
        assert remembering.holds(activity, level) is asked_afresh.holds({"activity": activity, "level": level})


def test_a_level_that_a_member_does_not_have_makes_a_condition_not_hold() -> None:
    condition = ActivityCondition.compile('level["shopper"] == "gold"')
    assert not condition.holds(ACTIVITIES[0], {})
    assert condition.holds(ACTIVITIES[0], {"shopper": "gold"})


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ("line.colour == 'red'", "line 1, column 5"),
        ("activity.type == 'x' &&\n  basket.size() > 1", "line 2, column 3"),
        ("line.cash_minor == 'x'", "line 1, column 17"),
    ],
)
def test_a_name_that_nobody_knows_is_refused_with_its_position(source: str, position: str) -> None:
    with pytest.raises(cel.ExpressionError, match=position):
        LineCondition.compile(source)
