"""Policies of matches are checked when they are published."""

from typing import Any

import pytest

from services.chassis.documents import Document, DocumentErrors
from services.identity.documents import compile_documents
from services.identity.identifiers.values import Strength
from services.identity.matches.values import MatchPolicy
from tests.identity.builders import programme
from tests.identity.identifiers import TYPES
from tests.identity.matching import policy


def compiled(*given: dict[str, Any]) -> dict[str, MatchPolicy]:
    documents = [Document(**one) for one in (programme(), *TYPES, *given)]
    return dict(compile_documents(documents).match_policies)


def mistakes_in(**spec: Any) -> list[tuple[str, str]]:
    with pytest.raises(DocumentErrors) as caught:
        compiled(policy(**spec))
    found = caught.value.violations
    return [(one.field.removeprefix("match-policy/one-person").lstrip("."), one.description) for one in found]


def test_a_policy_says_what_each_type_gives_by_how_much_it_says() -> None:
    found = compiled(policy(weights={"email": {"proof": 90, "evidence": 40}, "device": {"hint": 5}}, merge_from=90))
    assert found["one-person"].weights == {
        ("email", Strength.PROOF): 90,
        ("email", Strength.EVIDENCE): 40,
        ("device", Strength.HINT): 5,
        ("device", Strength.EVIDENCE): 5,
        ("device", Strength.PROOF): 5,
    }
    assert (found["one-person"].merge_from, found["one-person"].review_from) == (90, 60)

    def test_there_may_be_several_policies() -> None:
        assert compiled(policy(), policy("household", merge_from=None, review_from=None)).keys() == {
            "one-person",
            "household",
        }


@pytest.mark.parametrize(
    ("spec", "field", "description"),
    [
        ({"weights": {"passport": {"proof": 100}}}, "weights.passport", "no type of identifier has this code"),
        (
            {"weights": {"email": {"proof": 100}, "device": {"proof": 50}}},
            "weights.device.proof",
            "a device is never more than evidence",
        ),
        (
            {"weights": {"email": {"proof": 30, "evidence": 60}}},
            "weights.email",
            "what says less gives no more",
        ),
        (
            {"weights": {"device": {"evidence": 100}}},
            "merge_from",
            "nothing is merged without a proof: give the weight of one",
        ),
        ({"merge_from": 50}, "merge_from", "is less than review_from: nothing would be reviewed"),
        (
            {"merge_from": None, "review_from": None, "link_from": None},
            "",
            "says of no score what is done; give merge_from, review_from or link_from",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(spec: dict[str, Any], field: str, description: str) -> None:
    assert (field, description) in mistakes_in(**spec)


@pytest.mark.parametrize(
    "spec", [{"weights": {}}, {"merge_from": 101}, {"link_from": 0}, {"weights": {"email": {"proof": 101}}}, {"at": 1}]
)
def test_what_has_another_form_is_refused(spec: dict[str, Any]) -> None:
    assert mistakes_in(**spec)
