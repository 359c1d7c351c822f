"""The grocer's documents say what the data set says."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tessera.grocer import load
from tessera.grocer.departments import DOMAINS
from tests.programmes import grocer_reference

_PACK = Path(__file__).parents[2] / "deploy" / "programmes" / "grocer"

Document = dict[str, Any]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return [document for file in sorted(_PACK.glob("*.yaml")) for document in yaml.safe_load_all(file.read_text())]


def _of_kind(documents: list[Document], kind: str) -> dict[str, Document]:
    return {document["code"]: document["spec"] for document in documents if document["kind"] == kind}


def test_every_document_has_a_kind_a_code_a_programme_and_a_spec_of_plain_values(documents: list[Document]) -> None:
    assert all(set(document) == {"kind", "code", "programme", "spec"} for document in documents)
    assert {document["programme"] for document in documents} == {"grocer"}
    assert len({(document["kind"], document["code"]) for document in documents}) == len(documents)
    assert all(_is_plain(document["spec"]) for document in documents)


def test_the_domains_are_those_of_the_activities(documents: list[Document]) -> None:
    assert set(_of_kind(documents, "domain")) == set(DOMAINS)


def test_each_campaign_is_a_benefit_with_the_days_of_the_campaign(documents: list[Document]) -> None:
    benefits = _of_kind(documents, "benefit")
    listed = {code: spec["validity"] for code, spec in benefits.items() if spec.get("issue") == [{"when": "listed"}]}
    campaigns = load(households=1).campaigns
    assert listed == {c.code: {"from": str(c.first_day), "through": str(c.last_day)} for c in campaigns}


def test_the_reference_follows_the_ladder_and_the_rules(documents: list[Document]) -> None:
    levels = _of_kind(documents, "ladder")["shopper"]["levels"]
    assert [level["code"] for level in levels] == list(grocer_reference.LEVELS)
    assert [level["at"] for level in levels] == list(grocer_reference.THRESHOLDS_MINOR)
    rules = _of_kind(documents, "earn-rule")
    multipliers = rules["points-per-dollar"]["multiplier"]["by_level"].values()
    assert list(multipliers) == [str(multiplier) for multiplier in grocer_reference.MULTIPLIERS]
    assert rules["dairy-bonus"]["cap"]["amount"] == grocer_reference.DAIRY_CAP
    assert all(category in rules["dairy-bonus"]["line_condition"] for category in grocer_reference.DAIRY)


def _is_plain(value: object) -> bool:
    """Whether a value can stand in a document on the wire: YAML also knows dates, and reads `on` as true."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, str | int | bool)
