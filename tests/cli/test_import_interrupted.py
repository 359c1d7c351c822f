"""An import that is stopped anywhere goes on where it was, and does nothing twice."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tessera import connect
from tessera.imports.accounts import Plan, import_accounts
from tessera.imports.columns import BadFile
from tessera.imports.sources import open_source
from tessera.imports.staging import Told
from tessera.imports.state import open_state
from tests.cli.command import TIMEOUT_S, Up
from tests.cli.imports import FOOD, FUEL, configure, figures, members, phone, write_csv

PERSONS = 6_000
_MAIN = "from tessera.cli import main; main()"

MAIL = """
---
kind: identifier-type
code: mail
programme: brought
spec: {name: Mail, normaliser: email, strength: proof}
"""

Rows = list[tuple[str, str, str, str]]


@pytest.fixture(scope="module")
def shop(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Up:
    folder = tmp_path_factory.mktemp("pack")
    configure(up, folder)
    pack = folder / "pack.yaml"
    pack.write_text(pack.read_text() + MAIL)
    up.json("apply", "-f", str(folder))
    return up


def _persons(folder: Path) -> tuple[Path, Rows]:
    """A file of many persons with two accounts each, first all of the one, then all of the other."""
    rows = [(domain, phone(), "", f"p{number}") for domain in (FUEL, FOOD) for number in range(PERSONS)]
    return write_csv(folder / "many.csv", rows), rows


@contextmanager
def _importing(shop: Up, file: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _MAIN, "import", "accounts", str(file), "--data", str(shop.data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def _until_known(shop: Up, process: subprocess.Popen[str], account: tuple[str, str]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not (await members(shop, [account]))[0]:
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(each, marks=pytest.mark.reliability) for each in (signal.SIGINT, signal.SIGTERM))],
)
@pytest.mark.parametrize("place", [PERSONS // 4, PERSONS + PERSONS // 4], ids=["enrolling", "linking"])
async def test_it_goes_on_where_it_was_stopped(shop: Up, tmp_path: Path, number: signal.Signals, place: int) -> None:
    file, rows = _persons(tmp_path)
    with _importing(shop, file) as process:
        await _until_known(shop, process, rows[place][:2])
        process.send_signal(number)
        said, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130), said
        assert "Traceback" not in said
    told = shop.json("import", "accounts", str(file))
    begun = figures(told["before"]["all"])
    assert begun["waiting"] > 0
    assert "unchanged" not in begun
    after = figures(told["after"]["all"])
    assert after == {"rows": 2 * PERSONS, "new_members": PERSONS, "linked": PERSONS, "found": 2 * PERSONS}
    whose = await members(shop, [(domain, name) for domain, name, *_ in rows])
    assert whose[:PERSONS] == whose[PERSONS:]
    assert len(set(whose)) == PERSONS


async def test_a_file_is_imported_once_at_a_time(shop: Up, tmp_path: Path) -> None:
    file, rows = _persons(tmp_path)
    with _importing(shop, file) as process:
        await _until_known(shop, process, rows[0][:2])
        other = shop.run("import", "accounts", str(file))
        assert (other.returncode, "another import is using" in other.stderr) == (1, True)


async def test_another_content_is_another_import(shop: Up, tmp_path: Path) -> None:
    file, rows = _persons(tmp_path)
    with _importing(shop, file) as process:
        await _until_known(shop, process, rows[0][:2])
        process.kill()
    write_csv(file, [*rows[:10], (FUEL, phone(), "", "new")])
    after = figures(shop.json("import", "accounts", str(file))["after"]["all"])
    assert after["rows"] == after["found"] == 11
    assert after["unchanged"] >= 1
    assert after["new_members"] >= 1


@pytest.mark.parametrize("phase", ["comparing", "enrolling", "adding", "checking"])
@pytest.mark.parametrize("kept", [0, 1], ids=["torn off", "exchanged"])
async def test_a_file_that_changes_meanwhile_is_not_taken_for_what_it_was(
    shop: Up, tmp_path: Path, phase: str, kept: int
) -> None:
    header = "domain,external_id,person,identifier.mail"
    first, other = phone(), phone()
    rows = [(FUEL, first, "", f"a{first[-8:]}@example.org")]
    file = write_csv(tmp_path / "a.csv", rows, header)
    changed = [(FUEL, other, "", f"b{first[-8:]}@example.org")][:kept]

    class Meddler:
        """Changes the file as a phase begins."""

        def begin(self, what: str, rows: int | None) -> Told:
            if what == phase:
                write_csv(file, changed, header)
            return lambda done: None

    source = open_source(file)
    with open_state(tmp_path / "state", source.key) as state:
        async with connect(suite_file=shop.data) as client:
            with pytest.raises(BadFile, match="changed while it was imported"):
                await import_accounts(client, source, state, Plan(tmp_path / "errors.csv"), Meddler())
    assert (await members(shop, [(FUEL, other)])) == [""]
    write_csv(file, rows, header)
    after = shop.json("import", "accounts", str(file), "--state", str(tmp_path / "state"))["after"]
    assert figures(after["all"])["found"] == 1


def test_a_damaged_memory_is_named(shop: Up, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [(FUEL, phone(), "", "")])
    (tmp_path / "a.csv.import").write_text("no database, whatever it is" * 100)
    done = shop.run("import", "accounts", str(file))
    assert (done.returncode, "without it the import begins anew" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
