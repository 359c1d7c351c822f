"""Documents: exact numbers, known kinds, every mistake named; and the wire on which numbers are doubles."""

from fractions import Fraction
from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.document_wire import MAX_EXACT_INTEGER, from_message, to_message
from services.chassis.documents import Code, Document, DocumentErrors, Mistakes, Rate, Spec, parse_specs
from tessera.config.v1 import config_service_pb2 as pb


class Line(Spec):
    code: Code
    rate: Rate = Fraction(1)


class RuleSpec(Spec):
    unit: Code
    lines: tuple[Line, ...] = ()


def rule(code: str = "base", **spec: Any) -> Document:
    return Document("rule", code, "shop", spec)


def parsed(*documents: Document) -> dict[str, dict[str, Any]]:
    mistakes = Mistakes()
    specs = parse_specs(documents, {"rule": RuleSpec, "unit": Spec}, mistakes)
    mistakes.check()
    return specs


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        (2, Fraction(2)),
        ("0.02", Fraction(1, 50)),
        ("1/3", Fraction(1, 3)),
        ("-1.5", Fraction(-3, 2)),
        ("7", Fraction(7)),
    ],
)
def test_a_rate_is_exact(written: object, rate: Fraction) -> None:
    specs = parsed(rule(unit="points", lines=[{"code": "a", "rate": written}]))
    assert specs["rule"]["base"].lines[0].rate == rate


@pytest.mark.parametrize("written", [0.02, True, None, "", "two", "1/0", [1]])
def test_what_is_no_exact_rate_is_refused(written: object) -> None:
    with pytest.raises(DocumentErrors) as raised:
        parsed(rule(unit="points", lines=[{"code": "a", "rate": written}]))
    (violation,) = raised.value.violations
    assert violation.field == "rule/base.lines.0.rate"
    assert violation.description.startswith('must be a whole number or a string such as "0.02" or "1/3"')


def test_every_mistake_of_every_document_is_named() -> None:
    with pytest.raises(DocumentErrors) as raised:
        parsed(
            rule(unit="Points", colour="red"),
            rule("other"),
            Document("ruin", "x", "shop", {}),
            rule("good", unit="p"),
        )
    assert {violation.field for violation in raised.value.violations} == {
        "rule/base.unit",
        "rule/base.colour",
        "rule/other.unit",
        "ruin/x",
    }
    assert "there are: rule, unit" in str(raised.value)
    assert raised.value.reason == "DOCUMENT_INVALID"


def test_a_spec_with_mistakes_hides_no_other() -> None:
    specs = parse_specs([rule("bad"), rule("good", unit="p")], {"rule": RuleSpec}, Mistakes())
    assert [*specs["rule"]] == ["good"]


def test_an_expression_among_the_mistakes_is_what_is_said() -> None:
    mistakes = Mistakes()
    mistakes.add_expression("rule/a.condition", "line 1, column 2: what?")
    mistakes.add("rule/b.unit", "there is no unit p")
    with pytest.raises(DocumentErrors) as raised:
        mistakes.check()
    assert raised.value.reason == "EXPRESSION_INVALID"
    assert [violation.field for violation in raised.value.violations] == ["rule/a.condition", "rule/b.unit"]


def test_specs_are_found_by_kind_and_code() -> None:
    specs = parsed(rule("a", unit="p"), rule("b", unit="q"))
    assert {kind: sorted(found) for kind, found in specs.items()} == {"rule": ["a", "b"], "unit": []}
    assert specs["rule"]["b"].unit == "q"


whole = st.integers(-MAX_EXACT_INTEGER, MAX_EXACT_INTEGER)
plain = st.recursive(
    st.none() | st.booleans() | whole | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), plain, max_size=4))
def test_a_document_arrives_as_it_was_sent(spec: dict[str, Any]) -> None:
    document = Document("rule", "base", "shop", spec)
    assert from_message(pb.Document.FromString(to_message(document).SerializeToString())) == document


@pytest.mark.parametrize("number", [0.5, 1e300, float("inf"), float("nan"), 2**53 + 1, 2.0**54])
def test_a_number_that_is_not_whole_or_not_exact_is_refused_with_its_place(number: float) -> None:
    spec = struct_pb2.Struct()
    spec.update({"tiers": [{"rate": 1}, {"rate": number}]})
    with pytest.raises(DocumentErrors) as raised:
        from_message(pb.Document(kind="rule", code="base", programme="shop", spec=spec))
    (violation,) = raised.value.violations
    assert violation.field == "rule/base.tiers[1].rate"
