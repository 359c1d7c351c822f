"""Programmes: the same in every service, and there before anything of theirs is."""

from typing import Any

import pytest

from services.chassis.documents import Document, DocumentErrors
from tests.support.suite import SERVICES, definition_of

SHOP = {"name": "Shop", "time_zone": "Asia/Shanghai", "currency": "CNY"}
OF_THEIR_OWN: dict[str, tuple[str, dict[str, Any]]] = {
    "identity": ("domain", {"name": "Fuel", "owner": "fuel-team"}),
    "points": ("unit", {"name": "Points", "kind": "spendable"}),
    "tiers": ("ladder", {"unit": "score", "window": {"days": 30}, "levels": [{"code": "bronze", "at": 0}]}),
    "benefits": ("benefit", {"name": "Coffee", "kind": "coupon", "issue": [{"when": "listed"}]}),
}
"""A kind of document that a service has beside programmes, and a spec of it."""

every_service = pytest.mark.parametrize("service", SERVICES)


def programme(code: str = "shop", belongs_to: str = "shop", **spec: Any) -> Document:
    return Document("programme", code, belongs_to, {**SHOP, **spec})


def mistakes(service: str, *documents: Document) -> dict[str, str]:
    with pytest.raises(DocumentErrors) as raised:
        definition_of(service).compile_documents(documents)
    assert raised.value.reason == "DOCUMENT_INVALID"
    return {violation.field: violation.description for violation in raised.value.violations}


@every_service
def test_a_document_needs_its_programme(service: str) -> None:
    kind, spec = OF_THEIR_OWN[service]
    document = Document(kind, "one", "shop", spec)
    definition_of(service).compile_documents([programme(), document])
    assert mistakes(service, document) == {f"{kind}/one": "there is no programme shop"}


@every_service
def test_a_programme_with_mistakes_is_there_all_the_same(service: str) -> None:
    kind, spec = OF_THEIR_OWN[service]
    found = mistakes(service, programme(time_zone="Mars/Olympus"), Document(kind, "one", "shop", spec))
    assert found == {"programme/shop.time_zone": "is no IANA time zone"}


@every_service
def test_a_programme_belongs_to_itself(service: str) -> None:
    assert mistakes(service, programme(belongs_to="club")) == {
        "programme/shop": "belongs to the programme club; a programme belongs to itself"
    }


@every_service
def test_a_currency_is_three_capital_letters(service: str) -> None:
    assert [*mistakes(service, programme(currency="yuan"))] == ["programme/shop.currency"]


@every_service
def test_all_mistakes_are_told_at_once(service: str) -> None:
    kind, spec = OF_THEIR_OWN[service]
    found = mistakes(
        service,
        programme(currency="yuan", time_zone="Mars/Olympus"),
        Document(kind, "one", "shop", {**spec, "colour": "red"}),
        Document(kind, "two", "club", spec),
        Document("ruin", "three", "shop", {}),
    )
    assert [*found] == [
        "programme/shop.time_zone",
        "programme/shop.currency",
        f"{kind}/one.colour",
        "ruin/three",
        f"{kind}/two",
    ]
