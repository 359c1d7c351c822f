"""Values in the one form of their type: what is the same, and what is none."""

import pytest

from services.chassis.errors import Rejection
from services.identity.identifiers.normalisers import normalise
from services.identity.identifiers.values import Form


def normal(form: Form, value: str, region: str = "") -> str:
    result = normalise("some", form, region, value)
    return result.reason.removeprefix("IDENTIFIER_") if isinstance(result, Rejection) else result


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("phone", "+49 30 901820", "+4930901820"),
        ("phone", "+49 (0)30 / 90 18 20", "+4930901820"),
        ("phone", "+\uff14\uff19 30 901820", "+4930901820"),
        ("phone", "030 901820", "UNPARSEABLE"),
        ("phone", "+49 30 901820 ext. 5", "UNPARSEABLE"),
        ("phone", "+1 555", "UNPARSEABLE"),
        ("phone", "phone", "UNPARSEABLE"),
        ("phone", "+" + "1" * 64, "TOO_LONG"),
        ("email", " Some.Body+Tag@Example.ORG ", "some.body+tag@example.org"),
        ("email", "i@bücher.example.org", "i@xn--bcher-kva.example.org"),
        ("email", "i@BU\u0308CHER.example.org", "i@xn--bcher-kva.example.org"),
        ("email", "some body@example.org", "UNPARSEABLE"),
        ("email", "somebody@localhost", "UNPARSEABLE"),
        ("email", "@example.org", "UNPARSEABLE"),
        ("email", "som\u0435body@example.org", "CONFUSABLE"),
        ("email", "\u0430\u0440\u0440\u0435@example.org", "CONFUSABLE"),
        ("email", "i@\u0435xample.org", "CONFUSABLE"),
        ("email", "почта@почта.рф", "почта@xn--80a1acny.xn--p1ai"),
        ("email", "用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("email", "some\u200bbody@example.org", "NOT_NORMALISED"),
        ("email", "somebody\u202e@example.org", "NOT_NORMALISED"),
        ("email", "somebody@example.org\x00", "NOT_NORMALISED"),
        ("email", "\uff53omebody@example.org", "NOT_NORMALISED"),
        ("email", "a" * 250 + "@b.cd", "TOO_LONG"),
        ("device", "AEBE52E7-03EE-455A-B3C4-E57283966239", "aebe52e7-03ee-455a-b3c4-e57283966239"),
        ("device", "abc", "UNPARSEABLE"),
        ("device", "a b c d", "UNPARSEABLE"),
        ("device", "д" * 8, "UNPARSEABLE"),
        ("address", "12,  Hauptstraße\nBerlin", "12 hauptstrasse berlin"),
        ("address", "12,  Hauptstraße; Berlin", "12 hauptstrasse berlin"),
        ("address", "\uff11\uff12 HAUPTSTRASSE Berlin", "12 hauptstrasse berlin"),
        ("address", "12 Hauptstraße\x07", "NOT_NORMALISED"),
        ("address", "--,,", "UNPARSEABLE"),
        ("payment", "tok_1N3T00LkdIwHu7ix", "tok_1N3T00LkdIwHu7ix"),
        ("payment", "4111 1111 1111 1111", "UNPARSEABLE"),
        ("payment", "4111-1111-1111-1111", "UNPARSEABLE"),
        ("real-name", "de: l01x 00t47-1", "DE:L01X00T471"),
        ("real-name", "DE:1", "UNPARSEABLE"),
        ("real-name", "L01X00T471", "UNPARSEABLE"),
    ],
)
def test_a_value_has_one_form_or_none(form: Form, value: str, expected: str) -> None:
    assert normal(form, value) == expected


def test_a_region_stands_in_for_the_country_that_is_not_named() -> None:
    assert normal("phone", "030 901820", "DE") == "+4930901820"
    assert normal("real-name", "L01X00T471", "DE") == "DE:L01X00T471"
    assert normal("real-name", "FR:L01X00T471", "DE") == "FR:L01X00T471"


@pytest.mark.parametrize("form", ["phone", "email", "device", "address", "payment", "real-name"])
def test_a_refusal_never_repeats_the_value(form: Form) -> None:
    result = normalise("some", form, "", "Zq$!")
    assert isinstance(result, Rejection)
    assert "Zq" not in f"{result.message}{result.metadata}"


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("phone", "+49 30 901820"),
        ("email", "I@BÜCHER.example.org"),
        ("device", "AEBE52E7-03EE"),
        ("address", "12, Hauptstraße"),
        ("payment", "tok_1N3T"),
        ("real-name", "de: l01x"),
    ],
)
def test_the_one_form_of_a_value_is_its_own(form: Form, value: str) -> None:
    once = normal(form, value)
    assert normal(form, once) == once
