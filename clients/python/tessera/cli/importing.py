"""`tessera import`: brings accounts from a file, and shows what became of them."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tessera.cli.console import Output, OutputOption, SuiteOption, number, out, table
from tessera.cli.failures import FAILED, dump
from tessera.cli.running import run
from tessera.client import connect
from tessera.imports import totals
from tessera.imports.accounts import Imported, Plan, import_accounts
from tessera.imports.sources import Source, open_source
from tessera.imports.staging import Told
from tessera.imports.state import open_state
from tessera.imports.totals import Total, Totals

app = typer.Typer(no_args_is_help=True, help="Bring in what other systems know.")


@app.callback()
def imports() -> None:
    """Bring in what other systems know."""


@app.command()
def accounts(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV or Parquet; columns: domain, external_id, verified, person, attr.<name>, identifier.<type>",
        ),
    ],
    report: Annotated[
        Path | None, typer.Option("--errors", help="Where refused rows are told.", show_default="FILE.errors.csv")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Where the import is remembered, to go on with it.", show_default="FILE.import"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and send none.")] = False,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Import the other rows when some are refused.")
    ] = False,
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Enrol and link the accounts of a file; interrupted and run again, it goes on, and a second run changes nothing.

    Every row is checked before any is sent. Rows of the same person become accounts of one member.
    """
    plan = Plan(report or file.with_name(f"{file.name}.errors.csv"), dry_run, skip_refused)
    source = open_source(file)
    memory = state or file.with_name(f"{file.name}.import")
    imported = run(_import(source, memory, plan, Path(suite) if suite else None))
    if output is Output.JSON:
        typer.echo(dump(_as_json(imported, plan)))
    else:
        _print(out(), imported, plan)
    if not (imported.is_whole or (dry_run and not imported.before.all.refused)):
        raise typer.Exit(FAILED)


async def _import(source: Source, memory: Path, plan: Plan, suite: Path | None) -> Imported:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with open_state(memory, source.key) as state, Progress(*columns, console=Console(stderr=True)) as bars:
        async with connect(suite_file=suite) as client:
            return await import_accounts(client, source, state, plan, _Bars(bars))


class _Bars:
    """One bar for each thing that an import does."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars

    def begin(self, what: str, rows: int | None) -> Told:
        bar: TaskID = self._bars.add_task(what, total=rows)
        return lambda done: self._bars.update(bar, advance=done)


def _print(console: Console, imported: Imported, plan: Plan) -> None:
    shown = imported.after or imported.before
    listing = table("domain", ">rows", ">refused", ">unchanged", ">new members", ">linked", ">to send", ">found after")
    for total in (*shown.domains, shown.all):
        listing.add_row(*_cells(total, checked=imported.after is not None))
    console.print(listing)
    console.print()
    _print_identifiers(console, shown)
    _print_refused(console, shown, plan)
    for finding in shown.findings:
        console.print(f"[red]{finding}[/red]")
    console.print(_conclusion(imported, plan))


def _cells(total: Total, *, checked: bool) -> list[str]:
    counts = (total.rows, total.refused, total.unchanged, total.new_members, total.linked, total.waiting)
    return [total.domain, *map(number, counts), number(total.found) if checked else "–"]


def _print_identifiers(console: Console, shown: Totals) -> None:
    if not shown.identifiers:
        return
    listing = table("identifiers", ">given", ">refused", ">known", ">added", ">to send")
    for total in shown.identifiers:
        counts = (total.given, total.refused, total.known, total.added, total.waiting)
        listing.add_row(total.type, *map(number, counts))
    console.print(listing)
    console.print()


def _print_refused(console: Console, shown: Totals, plan: Plan) -> None:
    if not shown.reasons:
        return
    listing = table("refused because", ">times", "")
    for reason, rows in shown.reasons.items():
        listing.add_row(reason, number(rows), totals.meaning(reason))
    console.print(listing)
    console.print(f"Which rows: {plan.report}", style="dim", markup=False)
    console.print()


def _conclusion(imported: Imported, plan: Plan) -> str:
    if imported.after is None:
        return "Nothing was sent." if plan.dry_run else "Nothing was sent: correct the file, or use --skip-refused."
    if imported.after.findings:
        return "What identity knows is not what was imported."
    changed = imported.after.all.new_members + imported.after.all.linked
    return f"{number(changed)} accounts are new; identity knows all {number(imported.after.all.arrived)}."


def _as_json(imported: Imported, plan: Plan) -> dict[str, Any]:
    return {
        "dry_run": plan.dry_run,
        "sent": imported.after is not None,
        "whole": imported.is_whole,
        "before": totals.as_json(imported.before),
        "after": totals.as_json(imported.after) if imported.after else None,
        "errors": str(plan.report),
    }
