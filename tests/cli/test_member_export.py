"""`tessera member export`: lines of JSON, in a file that is there when it is whole, for nobody else to read."""

import asyncio
import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tessera import connect
from tessera.cli.whole_file import whole_file
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.cli.command import TIMEOUT_S, Up
from tests.cli.imports import FOOD, configure, phone

_WRITES = """
import sys, time
from pathlib import Path
from tessera import connect
from tessera.cli.whole_file import whole_file
with whole_file(Path(sys.argv[1])) as lines:
    lines.write("half")
    lines.flush()
    print("written", flush=True)
    time.sleep(60)
"""
"""A command that is interrupted while it writes."""


@pytest.fixture(scope="module")
def member_id(up: Up, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A member of a suite, enrolled by an import."""
    folder = tmp_path_factory.mktemp("pack")
    configure(up, folder)
    return asyncio.run(_enrolled(up))


async def _enrolled(up: Up) -> str:
    async with connect(suite_file=up.data) as client:
        enrolling = pb.ResolveAccountRequest(
            request_id="enrol-to-export", domain=FOOD, external_id=phone(), create_missing=True
        )
        return str((await client.identity.ResolveAccount(enrolling)).member_id)


def test_an_export_is_lines_of_json_that_nobody_else_reads(up: Up, member_id: str, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    done = up.run("member", "export", member_id, "--output", str(file))
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert {frozenset(one) for one in records} == {frozenset({"service", "kind", "record"})}
    assert {"member", "account"} <= {one["kind"] for one in records if one["service"] == "identity"}
    assert {one["service"] for one in records} == {"identity", "points", "tiers", "benefits"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["export.jsonl"]


def test_an_export_that_fails_leaves_what_was_there(up: Up, member_id: str, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text("before")
    done = up.run("member", "export", "member_7zzzzzzzzzzzzzzzzzzzzzzzzz", "--output", str(file))
    assert done.returncode != 0
    assert file.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["export.jsonl"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_file_never_gets_its_name(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "export.jsonl"
    process = subprocess.Popen([sys.executable, "-c", _WRITES, str(file)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(number)
    process.wait(TIMEOUT_S)
    process.stdout.close()
    assert not file.exists()
    assert number is signal.SIGKILL or list(tmp_path.iterdir()) == []


def test_a_file_that_is_written_replaces_another(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text("before")
    with whole_file(file) as lines:
        lines.write("after")
        assert file.read_text() == "before"
    assert file.read_text() == "after"
