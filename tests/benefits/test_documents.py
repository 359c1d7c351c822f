"""Documents are checked when they are published, and all mistakes are told together."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.benefits.documents import compile_documents
from services.chassis.documents import Document, DocumentErrors
from tests.benefits.builders import LADDERS, PROGRAMME, coupon, quota

PACKS = Path(__file__).parents[2] / "deploy" / "programmes"


def document(given: dict[str, Any]) -> Document:
    """A document as the service gets it."""
    return Document(given["kind"], given["code"], given["programme"], given["spec"])


def mistakes(*given: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The reason and the violations with which documents are refused."""
    with pytest.raises(DocumentErrors) as refused:
        compile_documents([document(PROGRAMME), *map(document, LADDERS), *map(document, given)])
    return refused.value.reason, {v.field: v.description for v in refused.value.violations}


def test_a_benefit_takes_the_zone_of_its_programme() -> None:
    config = compile_documents([document(PROGRAMME), document(coupon()), document(quota())])
    assert [zone.key for zone in config.zones] == ["America/New_York"]
    assert config.benefits["coffee"].is_listed
    assert config.benefits["delivery"].quota is not None


def test_days_are_civil_and_the_last_one_is_included() -> None:
    spec = {"offered": {"from": "2026-03-08", "through": "2026-03-08"}}
    benefit = compile_documents([document(PROGRAMME), document(coupon(**spec))]).benefits["coffee"]
    assert benefit.offered_from is not None
    assert benefit.offered_until is not None
    assert (benefit.offered_until - benefit.offered_from).total_seconds() == 23 * 3600


@pytest.mark.parametrize(
    ("eligibility", "problem"),
    [
        ('levels.shopper == "gold"', "line 1, column 7: undeclared reference to 'levels.shopper'"),
        ("rank.shopper >=\n  standing", "line 2, column 3: undeclared reference to 'standing'"),
        ("member.birthday == 1", "line 1, column 7: undeclared reference to 'member.birthday'"),
        ("rank.shopper", "line 1, column 1: is neither true nor false"),
    ],
)
def test_unknown_names_are_refused_with_their_position(eligibility: str, problem: str) -> None:
    reason, found = mistakes(coupon(eligibility=eligibility))
    assert reason == "EXPRESSION_INVALID"
    assert found["benefit/coffee.eligibility"] == problem


@pytest.mark.parametrize(
    ("given", "field", "problem"),
    [
        (coupon(colour="red"), ".colour", "Extra inputs are not permitted"),
        (coupon(issue=[]), "", "a coupon says when it is issued"),
        (coupon(issue=[{"when": "weekly"}]), ".issue.0", "'weekly' found using 'when' does not match"),
        (coupon(issue=[{"when": "level-up"}]), ".issue.0.level-up.ladder", "Field required"),
        (coupon(issue=[{"when": "level-up", "ladder": "diner"}]), ".issue.0.ladder", "there is no ladder diner"),
        (
            coupon(issue=[{"when": "level-up", "ladder": "shopper", "levels": ["gold", "tin"]}]),
            ".issue.0.levels",
            "the ladder shopper has no tin",
        ),
        (coupon(uses=0), ".uses", ""),
        (coupon(quota={"uses": 1, "period": "day"}), "", "a coupon has no quota"),
        (coupon(validity={"days": 1, "months": 1}), ".validity", "takes one of"),
        (coupon(validity={}), ".validity", "takes one of"),
        (coupon(validity={"from": "2026-02-01", "through": "2026-01-31"}), ".validity", "ends before it begins"),
        (coupon(validity={"from": "2026-02-01", "through": "end-of-month"}), ".validity", "counted from the issue"),
        (coupon(validity={"through": "2026-02-30"}), ".validity.through", "must be a day"),
        (coupon(offered={"from": 20260101}), ".offered.from", "must be a day"),
        (coupon(offered={"from": "1066-10-14"}), ".offered.from", "from 1970 to 9998"),
        (coupon(domains=["Cafe"]), ".domains.0", "match pattern"),
        (coupon(value={}), ".value", "takes one of"),
        (quota(quota=None), "", "says how many uses"),
        (quota(issue=[{"when": "month"}], judged="at-issue"), "", "leave issue, judged out"),
        (quota(period="fortnight"), ".quota.period", "'day', 'week', 'month', 'year' or 'once'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(given: dict[str, Any], field: str, problem: str) -> None:
    reason, found = mistakes(given)
    assert reason == "DOCUMENT_INVALID"
    name = f"benefit/{given['code']}{field}"
    assert any(where.startswith(name) and problem in text for where, text in found.items()), found


def test_all_mistakes_are_told_together() -> None:
    _, found = mistakes(coupon("one", uses=0), coupon("two", colour="red"), {**quota(), "kind": "voucher"})
    assert {where.split(".")[0] for where in found} == {"benefit/one", "benefit/two", "voucher/delivery"}


@pytest.mark.parametrize("pack", sorted(path.name for path in PACKS.iterdir() if path.is_dir()))
def test_the_benefits_of_every_pack_compile(pack: str) -> None:
    given = [
        document(body)
        for file in sorted((PACKS / pack).glob("*.yaml"))
        for body in yaml.safe_load_all(file.read_text())
        if body["kind"] in ("programme", "ladder", "benefit")
    ]
    assert compile_documents(given).benefits.keys() == {d.code for d in given if d.kind == "benefit"}
