"""`tessera audit`: calls listed, the trails proved, and what is wrong named."""

import json
from pathlib import Path
from urllib.parse import quote

import asyncpg

from tessera.topology import SERVICES
from tessera.up.options import Layout
from tessera.up.secrets import read_secrets
from tests.cli.command import Up

PUBLISH = "tessera.config.v1.ConfigService/PublishDocuments"
PROGRAMME = """
kind: programme
code: audited
programme: audited
spec: {name: Shop, time_zone: UTC, currency: USD}
"""


def publish(up: Up, tmp_path: Path) -> None:
    (tmp_path / "programme.yaml").write_text(PROGRAMME)
    up.json("apply", "-f", str(tmp_path))


def test_calls_are_listed_newest_first_with_caller_and_verdict(up: Up, tmp_path: Path) -> None:
    publish(up, tmp_path)
    up.run("audit", "list")  # asking is kept as well, and is answered when all before is written
    found = up.json("audit", "list", "--service", "tiers", "--method", PUBLISH)
    assert {(record["caller"], record["code"]) for record in found} == {("operator", 0)}
    assert [record["at"] for record in found] == sorted((record["at"] for record in found), reverse=True)
    assert "config.v1.ConfigService/PublishDocuments" in up.run("audit", "list", "--caller", "operator").stdout
    assert up.json("audit", "list", "--caller", "nobody-at-all") == []


def test_all_trails_hold_and_their_ends_are_kept_in_a_file(up: Up, tmp_path: Path) -> None:
    heads = tmp_path / "heads.json"
    for _ in range(2):
        done = up.run("audit", "verify", "--heads", str(heads))
        assert done.returncode == 0
        assert done.stdout.count("holds") == len(SERVICES)
    assert json.loads(heads.read_text()).keys() == set(SERVICES)


async def test_a_changed_byte_is_found_and_the_file_of_ends_is_left_alone(up: Up, tmp_path: Path) -> None:
    publish(up, tmp_path)
    heads = tmp_path / "heads.json"
    assert up.run("audit", "verify", "--heads", str(heads)).returncode == 0
    before = heads.read_text()
    password = read_secrets(Layout(up.data))["passwords"]["tiers"]
    sockets = quote(str(Layout(up.data).cluster / "socket"))
    connection = await asyncpg.connect(f"postgresql://tessera_tiers:{password}@/tessera_tiers?host={sockets}")
    flip = "UPDATE audit SET payload = set_byte(payload, 5, get_byte(payload, 5) # 1) WHERE number = 1"
    try:
        await connection.execute(flip)
        done = up.run("audit", "verify", "--heads", str(heads))
        await connection.execute(flip)
    finally:
        await connection.close()
    assert done.returncode == 1
    assert "tiers: link 1 was changed" in done.stdout
    assert heads.read_text() == before
    assert up.run("audit", "verify", "--service", "tiers").returncode == 0


def test_what_is_typed_wrong_is_said(up: Up, tmp_path: Path) -> None:
    nonsense = tmp_path / "heads.json"
    nonsense.write_text("[]")
    for arguments, said in (
        (("audit", "verify", "--service", "loyalty"), "there is no service loyalty"),
        (("audit", "verify", "--heads", str(nonsense)), "is not as `tessera audit verify --heads` writes it"),
        (("audit", "list", "--subject", "+86 138"), "subject"),
    ):
        done = up.run(*arguments)
        assert done.returncode == 1
        assert said in done.stderr
