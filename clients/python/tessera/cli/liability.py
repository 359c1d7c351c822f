"""`tessera liability`: what is owed to members."""

from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from tessera.cli.console import Output, OutputOption, SuiteOption, number, out, table
from tessera.cli.failures import dump
from tessera.cli.running import run
from tessera.client import connect
from tessera.points.v1 import points_service_pb2

NEVER = "never"
_FIGURES = ("outstanding", "held", "overdue", "expired")


def liability(suite: SuiteOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show what is owed to members by unit, funder and month of expiry, what has expired, and what members owe."""
    found = run(_liability(Path(suite) if suite else None))
    if output is Output.JSON:
        typer.echo(dump(found))
    else:
        print_liability(out(), found)


async def _liability(suite: Path | None) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"lines": [], "receivables": []}
    async with connect(suite_file=suite) as client:
        async for answer in client.points.GetLiability(points_service_pb2.GetLiabilityRequest()):
            for line in answer.lines:
                figures = {name: getattr(line, name) for name in _FIGURES}
                found["lines"].append({"unit": line.unit, "funder": line.funder, "month": line.expiry_month, **figures})
            for owed in answer.receivables:
                found["receivables"].append({"unit": owed.unit, "funder": owed.funder, "amount": owed.amount})
    return found


def print_liability(console: Console, found: dict[str, list[dict[str, Any]]]) -> None:
    """A line for each month, and one for what members owe to each funder."""
    lines = table("unit", "funder", "expires", *(f">{name}" for name in _FIGURES))
    for line in found["lines"]:
        figures = [number(line[name]) for name in _FIGURES]
        lines.add_row(line["unit"], line["funder"], line["month"] or NEVER, *figures)
    console.print(lines)
    if found["receivables"]:
        owed = table("unit", "owed to", ">receivable")
        for line in found["receivables"]:
            owed.add_row(line["unit"], line["funder"], number(line["amount"]))
        console.print(owed)
