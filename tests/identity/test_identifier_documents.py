"""What an operator may say about types of identifiers."""

from datetime import timedelta
from typing import Any

import pytest

from services.chassis.documents import Document, DocumentErrors
from services.identity.documents import compile_documents
from services.identity.identifiers.values import IdentifierType, Strength

PROGRAMME = Document("programme", "shop", "shop", {"name": "Shop", "time_zone": "Asia/Shanghai", "currency": "CNY"})
GIVEN: dict[str, Any] = {"name": "Phone", "normaliser": "phone", "strength": "proof"}


def compiled(**spec: Any) -> IdentifierType:
    document = Document("identifier-type", "phone", "shop", GIVEN | spec)
    return compile_documents([PROGRAMME, document]).identifier_types["phone"]


def mistakes(**spec: Any) -> list[str]:
    with pytest.raises(DocumentErrors) as caught:
        compiled(**spec)
    return [violation.field for violation in caught.value.violations]


def test_a_type_that_says_little_limits_nothing() -> None:
    assert compiled() == IdentifierType(
        "phone", "phone", Strength.PROOF, None, None, timedelta(), None, "", True, frozenset()
    )


def test_a_type_says_how_many_for_how_long_and_where() -> None:
    kind = compiled(limit=5, window={"limit": 2, "days": 30}, validity_days=365, region="CN")
    assert (kind.limit, kind.window_limit, kind.window) == (5, 2, timedelta(days=30))
    assert (kind.validity, kind.region) == (timedelta(days=365), "CN")


def test_blocked_values_are_kept_in_the_one_form() -> None:
    assert compiled(region="CN", blocked=["138 0013 8000", "00000000000"]).blocked == {"+8613800138000"}


def test_nobody_is_found_by_a_hint() -> None:
    assert not compiled(strength="hint").finds
    assert not compiled(finds=False).finds
    assert mistakes(strength="hint", finds=True) == ["identifier-type/phone.finds"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("normaliser", "fax"),
        ("strength", "certain"),
        ("limit", 0),
        ("limit", 101),
        ("window", {"limit": 1}),
        ("validity_days", 0),
        ("region", "XX"),
        ("region", "China"),
        ("other", 1),
    ],
)
def test_a_mistake_is_named(field: str, value: Any) -> None:
    assert all(name.startswith(f"identifier-type/phone.{field}") for name in mistakes(**{field: value}))


def test_a_blocked_value_that_is_too_long_is_a_mistake() -> None:
    assert mistakes(blocked=["+4930901820", "1" * 65]) == ["identifier-type/phone.blocked.1"]
