"""What an operator may configure, and how mistakes are reported."""

from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.chassis.documents import Document, DocumentErrors
from services.tiers.documents import compile_documents
from services.tiers.values import Window
from tests.support.refusals import refusal_of
from tests.support.suite import Suite, start_suite
from tests.tiers.builders import LEVELS, NEW_YORK, SHANGHAI, ladder_document, programme


def compiled(*documents: dict[str, Any]) -> Any:
    return compile_documents([Document(**document) for document in documents])


def mistakes(*documents: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(DocumentErrors) as raised:
        compiled(*documents)
    return {violation.field: violation.description for violation in raised.value.violations}


def test_a_ladder_is_compiled_with_the_zone_of_its_programme() -> None:
    config = compiled(programme(zone=NEW_YORK), ladder_document(window={"months": 12}, evaluation="monthly"))
    ladder = config.ladders["shopper"]
    assert (ladder.zone, ladder.window, ladder.monthly) == (NEW_YORK, Window(months=12), True)
    assert ladder.ranks == {"bronze": 0, "silver": 1, "gold": 2, "platinum": 3}
    assert config.by_unit == {"score": (ladder,)}


def test_defaults_are_daily_evaluation_kept_levels_and_rises_from_the_activity() -> None:
    ladder = compiled(programme(), ladder_document()).ladders["shopper"]
    assert (ladder.monthly, ladder.falls_at_once, ladder.rises_when_recorded) == (False, False, False)


def test_a_name_changes_no_decision_and_everything_else_does() -> None:
    def fingerprint(zone: ZoneInfo = SHANGHAI, **spec: Any) -> str:
        found: str = compiled(programme(zone=zone), ladder_document(**spec)).ladders["shopper"].fingerprint
        return found

    same = {fingerprint(), fingerprint(name="Shopper"), fingerprint(rises_from="recording")}
    assert len(same) == 1
    others = [
        fingerprint(zone=NEW_YORK),
        fingerprint(unit="visits"),
        fingerprint(window={"days": 91}),
        fingerprint(evaluation="monthly"),
        fingerprint(falling="at-once"),
        fingerprint(levels={**LEVELS, "diamond": 1000}),
    ]
    assert len({*same, *others}) == 7


def test_the_days_of_a_unit_are_those_of_its_ladder_or_of_the_only_programme() -> None:
    config = compiled(programme(zone=NEW_YORK), programme("other"), ladder_document(unit="visits"))
    assert config.zone_of("visits") == NEW_YORK
    assert config.zone_of("score") == ZoneInfo("UTC")
    assert compiled(programme(zone=NEW_YORK)).zone_of("score") == NEW_YORK
    assert compiled().zone_of("score") == ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("spec", "field", "description"),
    [
        ({"levels": {"bronze": 10, "silver": 20}}, "levels", "must be at 0"),
        ({"levels": {"bronze": 0, "silver": 20, "gold": 20}}, "levels", "levels must ascend: gold is at 20"),
        ({"levels": {}}, "levels", "at least 1"),
        ({"levels": {"bronze": 0, "Silver": 5}}, "levels.1.code", "pattern"),
        ({"levels": {"bronze": 0, "silver": -1}}, "levels.1.at", "greater than or equal to 0"),
        ({"window": {}}, "window", "either days or months"),
        ({"window": {"days": 1, "months": 1}}, "window", "either days or months"),
        ({"window": {"days": 0}}, "window.days", "greater than or equal to 1"),
        ({"window": {"months": 121}}, "window.months", "less than or equal to 120"),
        ({"evaluation": "weekly"}, "evaluation", "'daily' or 'monthly'"),
        ({"falling": "never"}, "falling", "'keep-until-evaluation' or 'at-once'"),
        ({"rises_from": "now"}, "rises_from", "'activity' or 'recording'"),
        ({"unit": "Score!"}, "unit", "pattern"),
        ({"colour": "red"}, "colour", "Extra inputs"),
    ],
)
def test_a_mistake_names_document_and_field(spec: dict[str, Any], field: str, description: str) -> None:
    found = mistakes(programme(), ladder_document(**spec))
    assert [*found] == [f"ladder/shopper.{field}"]
    assert description in found[f"ladder/shopper.{field}"]


def test_two_levels_of_the_same_code_are_refused() -> None:
    document = ladder_document()
    document["spec"]["levels"] = [{"code": "bronze", "at": 0}, {"code": "bronze", "at": 5}]
    assert mistakes(programme(), document) == {"ladder/shopper.levels": "two levels have the same code"}


def test_ladders_that_share_a_unit_agree_on_what_a_day_is() -> None:
    found = mistakes(
        programme(), programme("grocer", zone=NEW_YORK), ladder_document(), ladder_document("b", programme="grocer")
    )
    assert [*found] == ["ladder/b.unit"]
    assert "Asia/Shanghai" in found["ladder/b.unit"]
    compiled(programme(), programme("twin"), ladder_document(), ladder_document("b", programme="twin"))


def test_all_mistakes_are_reported_together() -> None:
    found = mistakes(programme(), ladder_document(window={}), ladder_document("b", unit=""))
    assert [*found] == ["ladder/shopper.window", "ladder/b.unit"]


@pytest.fixture
async def suite() -> AsyncIterator[Suite]:
    async with start_suite("tiers") as started:
        yield started


async def test_a_broken_ladder_is_not_published(suite: Suite) -> None:
    info = await refusal_of(suite.publish("tiers", programme(), ladder_document(window={})))
    assert info.reason == "DOCUMENT_INVALID"
