"""A suite is pointed at in the same way by every command, and who points at none is told how."""

from pathlib import Path

import pytest

from tests.cli.command import Up, tessera

COMMANDS = (
    ("up",),
    ("run", "grocer"),
    ("replay", "grocer"),
    ("apply",),
    ("verify",),
    ("liability",),
    ("token",),
    ("member", "show"),
    ("identity", "simulate"),
    ("identity", "evaluate"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_takes_the_directory_of_a_suite(command: tuple[str, ...]) -> None:
    assert "--data" in tessera(*command, "--help").stdout


def test_a_suite_is_found_by_its_directory_its_file_or_the_environment(up: Up) -> None:
    ways = [(str(up.data), {}), (str(up.data / "suite.json"), {}), (None, {"TESSERA_SUITE": str(up.data)})]
    for data, environment in ways:
        done = tessera("token", "operator", *(["--data", data] if data else []), **environment)
        assert done.stdout.count(".") == 2, done.stderr


def test_who_points_at_no_suite_is_told_how(tmp_path: Path) -> None:
    done = tessera("verify", "--data", str(tmp_path))
    assert done.returncode == 1
    assert f"{tmp_path / 'suite.json'} is missing" in done.stderr
    assert "--data or $TESSERA_SUITE" in done.stderr


def test_the_option_wins_over_the_environment(up: Up, tmp_path: Path) -> None:
    done = tessera("token", "operator", "--data", str(up.data), TESSERA_SUITE=str(tmp_path))
    assert done.returncode == 0
