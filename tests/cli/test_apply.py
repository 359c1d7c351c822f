"""`tessera apply`: what a pack changes is shown, mistakes are named by file, document and field."""

from pathlib import Path

from tests.cli.command import Up

PROGRAMME = """
kind: programme
code: {code}
programme: {code}
spec: {{name: Shop, time_zone: Europe/Berlin, currency: EUR}}
---
kind: unit
code: {code}-points
programme: {code}
spec:
  name: Points
  kind: spendable
  expiry: {{policy: end-of-month, months: {months}}}
"""
DOMAIN = """
kind: domain
code: {code}-fuel
programme: {code}
spec: {{name: Fuel, owner: fuel-team}}
"""


def _pack(folder: Path, **texts: str) -> str:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return str(folder)


def test_each_document_goes_to_the_services_that_know_it(up: Up, tmp_path: Path) -> None:
    code = "routed"
    pack = _pack(tmp_path, base=PROGRAMME.format(code=code, months=1), domains=DOMAIN.format(code=code))
    services = up.json("apply", "-f", pack)["services"]
    created = {
        name: [(change["kind"], change["code"]) for change in answer["changes"]] for name, answer in services.items()
    }
    assert created == {
        "identity": [("domain", "routed-fuel"), ("programme", "routed")],
        "points": [("programme", "routed"), ("unit", "routed-points")],
        "tiers": [("programme", "routed")],
        "benefits": [("programme", "routed")],
    }


def test_applying_the_same_pack_again_changes_nothing(up: Up, tmp_path: Path) -> None:
    pack = _pack(tmp_path, base=PROGRAMME.format(code="same", months=1))
    first, second = up.json("apply", "-f", pack), up.json("apply", "-f", pack)
    assert [answer["changes"] for answer in second["services"].values()] == [[], [], [], []]
    versions = [answer["version"] for answer in first["services"].values()]
    assert [answer["version"] for answer in second["services"].values()] == versions


def test_a_change_is_shown_field_by_field(up: Up, tmp_path: Path) -> None:
    _pack(tmp_path, base=PROGRAMME.format(code="edited", months=1))
    up.json("apply", "-f", str(tmp_path))
    pack = _pack(tmp_path, base=PROGRAMME.format(code="edited", months=2))
    done = up.run("apply", "-f", pack)
    assert done.returncode == 0
    assert "~ unit/edited-points  updated" in done.stdout
    assert "expiry.months: 1 → 2" in done.stdout


def test_a_dry_run_shows_the_same_and_changes_nothing(up: Up, tmp_path: Path) -> None:
    pack = _pack(tmp_path, base=PROGRAMME.format(code="dry", months=1))
    for _ in range(2):
        done = up.json("apply", "-f", pack, "--dry-run")
        assert done["dry_run"]
        assert [change["action"] for change in done["services"]["points"]["changes"]] == ["created", "created"]


def test_what_a_programme_no_longer_has_is_removed(up: Up, tmp_path: Path) -> None:
    _pack(tmp_path, base=PROGRAMME.format(code="less", months=1), domains=DOMAIN.format(code="less"))
    up.json("apply", "-f", str(tmp_path))
    (tmp_path / "domains.yaml").unlink()
    changes = up.json("apply", "-f", str(tmp_path))["services"]["identity"]["changes"]
    assert [(change["action"], change["code"]) for change in changes] == [("removed", "less-fuel")]


def test_a_complaint_of_a_service_names_file_document_and_field(up: Up, tmp_path: Path) -> None:
    unit = PROGRAMME.format(code="wrong", months=1).replace("end-of-month", "end-of-time")
    done = up.run("apply", "-f", _pack(tmp_path, base=unit))
    assert done.returncode == 1
    assert "base.yaml:2 (unit/wrong-points): expiry.policy: " in done.stderr
    assert "nothing was published" in done.stderr


def test_mistakes_of_one_service_keep_the_others_from_publishing(up: Up, tmp_path: Path) -> None:
    unit = PROGRAMME.format(code="halfway", months=1).replace("spendable", "edible")
    pack = _pack(tmp_path, base=unit, domains=DOMAIN.format(code="halfway"))
    assert up.run("apply", "-f", pack).returncode == 1
    right = _pack(tmp_path, base=PROGRAMME.format(code="halfway", months=1))
    changes = up.json("apply", "-f", right)["services"]["identity"]["changes"]
    assert {change["action"] for change in changes} == {"created"}
