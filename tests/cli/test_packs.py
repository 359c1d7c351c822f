"""Reading a pack: YAML as JSON knows it, and every mistake at once."""

from pathlib import Path

import pytest

from services.benefits import documents as benefits
from services.identity import documents as identity
from services.points import documents as points
from services.tiers import documents as tiers
from tessera.packs import SERVICES_OF, PackMistakes, read_pack

UNIT = "kind: unit\ncode: points\nprogramme: shop\nspec: {name: Points}\n"


def _mistakes(folder: Path) -> tuple[str, ...]:
    with pytest.raises(PackMistakes) as caught:
        read_pack(folder)
    return caught.value.mistakes


def test_documents_come_from_all_files_below_in_order(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.yml").write_text(UNIT.replace("points", "miles"))
    (tmp_path / "c.yaml").write_text(f"{UNIT}---\n{UNIT.replace('points', 'beans')}")
    (tmp_path / "README.md").write_text("no document")
    assert [(str(document.file), document.number, document.name) for document in read_pack(tmp_path)] == [
        ("below/b.yml", 1, "unit/miles"),
        ("c.yaml", 1, "unit/points"),
        ("c.yaml", 2, "unit/beans"),
    ]


def test_every_kind_of_document_of_a_service_is_sent_to_it() -> None:
    models = {"points": points.MODELS, "tiers": tiers.MODELS, "benefits": benefits.MODELS, "identity": identity.MODELS}
    for service, kinds in models.items():
        assert set(kinds) == {kind for kind, services in SERVICES_OF.items() if service in services}, service


def test_dates_and_words_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(UNIT.replace("{name: Points}", "{on: yes, from: 2017-03-31, flag: true, rate: 2}"))
    (document,) = read_pack(tmp_path)
    assert document.spec == {"on": "yes", "from": "2017-03-31", "flag": True, "rate": 2}


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (UNIT.replace("code: points", "code: Points"), "a.yaml:1: code: 'Points' is no code"),
        (UNIT.replace("programme: shop\n", ""), "a.yaml:1: programme: is missing"),
        (f"{UNIT}colour: red\n", "a.yaml:1: colour: is unknown"),
        (UNIT.replace("kind: unit", "kind: planet"), "a.yaml:1: kind: no service knows 'planet'"),
        (UNIT.replace("{name: Points}", "Points"), "a.yaml:1: spec: must be a mapping"),
        ("- a\n", "a.yaml:1: must be a mapping"),
        (UNIT.replace("{name: Points}", "{name: a, name: b}"), "key 'name' stands twice"),
        (f"{UNIT}---\n{UNIT}", "a.yaml:2 (unit/points): stands already at a.yaml:1"),
        ("kind: [", "a.yaml: "),
    ],
)
def test_a_mistake_is_named_by_file_document_and_field(tmp_path: Path, text: str, mistake: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert any(mistake in found for found in _mistakes(tmp_path)), _mistakes(tmp_path)


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(UNIT.replace("unit", "planet"))
    (tmp_path / "b.yaml").write_text(UNIT.replace("shop", "Shop"))
    assert len(_mistakes(tmp_path)) == 2


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    assert "no YAML files here" in _mistakes(tmp_path)[0]
