"""`tessera liability` shows what is owed as the points service tells it."""

from io import StringIO

from rich.console import Console

from tessera.cli.liability import print_liability
from tests.cli.command import Up


def test_a_suite_in_which_nobody_has_points_owes_nothing(up: Up) -> None:
    assert up.json("liability") == {"lines": [], "receivables": []}
    assert up.run("liability").returncode == 0


def test_months_come_in_lines_and_what_members_owe_apart() -> None:
    figures = {"outstanding": 1200, "held": 30, "overdue": 0, "expired": 7}
    lines = [
        {"unit": "points", "funder": "dairy", "month": "2026-06", **figures},
        {"unit": "points", "funder": "dairy", "month": "", **figures},
    ]
    written = StringIO()
    owed = [{"unit": "points", "funder": "dairy", "amount": 80}]
    print_liability(Console(file=written, width=120), {"lines": lines, "receivables": owed})
    rows = [line.split() for line in written.getvalue().splitlines()]
    assert rows == [
        ["unit", "funder", "expires", "outstanding", "held", "overdue", "expired"],
        ["points", "dairy", "2026-06", "1,200", "30", "0", "7"],
        ["points", "dairy", "never", "1,200", "30", "0", "7"],
        ["unit", "owed", "to", "receivable"],
        ["points", "dairy", "80"],
    ]
