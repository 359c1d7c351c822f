"""What an operator may say about programmes and domains."""

from typing import Any

import pytest

from services.chassis.documents import Document, DocumentErrors
from services.identity.documents import compile_documents
from services.identity.values import Domain

PROGRAMME: dict[str, Any] = {"name": "Shop", "time_zone": "Asia/Shanghai", "currency": "CNY"}
DOMAIN: dict[str, Any] = {"name": "Fuel", "owner": "fuel-team"}


def domain(**spec: Any) -> Document:
    return Document("domain", "fuel", "shop", {**DOMAIN, **spec})


def programme(**spec: Any) -> Document:
    return Document("programme", "shop", "shop", {**PROGRAMME, **spec})


def mistakes(*documents: Document) -> set[str]:
    with pytest.raises(DocumentErrors) as caught:
        compile_documents(documents)
    return {violation.field for violation in caught.value.violations}


def test_a_member_has_one_account_in_a_domain_that_says_nothing() -> None:
    assert compile_documents([programme(), domain()]).domains == {"fuel": Domain("fuel", 1)}


def test_a_domain_allows_a_number_of_accounts_or_any() -> None:
    assert compile_documents([domain(accounts_per_member=3)]).domains["fuel"].accounts_per_member == 3
    assert compile_documents([domain(accounts_per_member="unlimited")]).domains["fuel"].accounts_per_member is None


def test_nothing_is_configured_without_documents() -> None:
    assert compile_documents([]).domains == {}


@pytest.mark.parametrize("wrong", [0, -1, 10_001, "many", None])
def test_a_number_of_accounts_makes_sense(wrong: object) -> None:
    fields = mistakes(domain(accounts_per_member=wrong))
    assert fields
    assert all(field.startswith("domain/fuel.accounts_per_member") for field in fields)


def test_all_mistakes_are_told_at_once() -> None:
    fields = mistakes(
        programme(time_zone="Mars/Olympus", currency="yuan"),
        domain(owner="Fuel Team", colour="red"),
        Document("ladder", "main", "shop", {}),
    )
    assert fields == {
        "programme/shop.time_zone",
        "programme/shop.currency",
        "domain/fuel.owner",
        "domain/fuel.colour",
        "ladder/main",
    }
