"""What an operator may say about domains."""

from typing import Any

import pytest

from services.chassis.documents import Document, DocumentErrors
from services.identity.documents import compile_documents
from services.identity.values import Config, Domain

PROGRAMME = Document("programme", "shop", "shop", {"name": "Shop", "time_zone": "Asia/Shanghai", "currency": "CNY"})


def compiled(**spec: Any) -> Config:
    return compile_documents(
        [PROGRAMME, Document("domain", "fuel", "shop", {"name": "F", "owner": "fuel-team", **spec})]
    )


def mistakes(**spec: Any) -> list[str]:
    with pytest.raises(DocumentErrors) as caught:
        compiled(**spec)
    return [violation.field for violation in caught.value.violations]


def test_a_member_has_one_account_in_a_domain_that_says_nothing() -> None:
    assert compiled().domains == {"fuel": Domain("fuel", 1, "shop")}


def test_a_domain_allows_a_number_of_accounts_or_any() -> None:
    assert compiled(accounts_per_member=3).domains["fuel"].accounts_per_member == 3
    assert compiled(accounts_per_member="unlimited").domains["fuel"].accounts_per_member is None


def test_nothing_is_configured_without_documents() -> None:
    assert compile_documents([]).domains == {}


@pytest.mark.parametrize("wrong", [0, -1, 10_001, "many", None])
def test_a_number_of_accounts_makes_sense(wrong: object) -> None:
    fields = mistakes(accounts_per_member=wrong)
    assert fields
    assert all(field.startswith("domain/fuel.accounts_per_member") for field in fields)


def test_who_answers_for_a_domain_is_named_by_a_code() -> None:
    assert mistakes(owner="Fuel Team") == ["domain/fuel.owner"]
