"""`python -m tests.bench [ROW …] [--partitions N,N,…]`: measures, prints a table, writes build/bench.json.

Exits with 0 whatever it measures: figures are for people to judge.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.bench.machine import ROOT, Machine, busy_cores, fsync_ms, started_machine
from tests.bench.population import MEMBERS, SEED
from tests.bench.process import Missing
from tests.bench.result import Result, print_results, write_json
from tests.bench.rows import (
    check_bulk,
    check_unary,
    earn_bulk,
    earn_unary,
    enrol_bulk,
    growth,
    hold_capture,
    lag,
    merge,
    replay,
    resolve_bulk,
    resolve_large,
    resolve_unary,
    spend_unary,
    start,
)
from tests.bench.unary import TRANSPORTS

TABLE_WIDTH = 100
"""Where output is no terminal, too."""
BUSY_CORES = 0.5
"""Work of others that a person should know of."""
OUTPUT = ROOT / "build" / "bench.json"

Row = Callable[[Machine], Awaitable[list[Result]]]


def _on_both(name: str, measure: Callable[[Machine, str], Awaitable[list[Result]]]) -> dict[str, Row]:
    def row(transport: str) -> Row:
        return lambda machine: measure(machine, transport)

    return {f"{name} ({transport})": row(transport) for transport in TRANSPORTS}


ROWS: dict[str, Row] = {
    **_on_both("earn-unary", earn_unary.measure),
    "earn-bulk": earn_bulk.measure,
    **_on_both("spend-unary", spend_unary.measure),
    **_on_both("hold-capture", hold_capture.measure),
    **_on_both("resolve-unary", resolve_unary.measure),
    "resolve-bulk": resolve_bulk.measure,
    "resolve-large": resolve_large.measure,
    **_on_both("check-unary", check_unary.measure),
    "check-bulk": check_bulk.measure,
    "enrol-bulk": enrol_bulk.measure,
    "merge": merge.measure,
    "growth": growth.measure,
    "lag": lag.measure,
    "replay": replay.measure,
    "start": start.measure,
}
"""Every row by its name, in the order of the table."""


def main() -> None:
    """Measure what the command line names, or everything."""
    names = sorted({name.partition(" ")[0] for name in ROWS}, key=[n.partition(" ")[0] for n in ROWS].index)
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Speed against references.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"by default all: {', '.join(names)}")
    parser.add_argument(
        "--partitions",
        metavar="N,N,…",
        type=lambda text: [int(number) for number in text.split(",")],
        help="measure the rows once with each of these numbers of partitions",
    )
    arguments = parser.parse_args()
    unknown = [given for given in arguments.rows if not _chosen([given])]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(names)}")
    asyncio.run(_measure(_chosen(arguments.rows), arguments.partitions or []))


def _chosen(given: Sequence[str]) -> list[str]:
    """The rows that are named, with or without their transport; all when none is."""
    return [name for name in ROWS if not given or name in given or name.partition(" ")[0] in given]


async def _measure(names: Sequence[str], partitions: Sequence[int]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, TABLE_WIDTH)
    started_s = time.monotonic()
    busy = busy_cores()
    results: list[Result] = []
    with _progress(Console(stderr=True)) as progress:
        bar = progress.add_task("starting PostgreSQL", total=len(names) * max(1, len(partitions)))
        row = ""

        def say(text: str) -> None:
            progress.update(bar, description=f"{row}: {text}" if row else text)

        async with started_machine(say) as machine:
            console.print(await _conditions(machine, partitions or [machine.partitions]))
            if busy > BUSY_CORES:
                console.print(f"[yellow]other work keeps {busy:.1f} cores busy: figures and ratios are too low")
            for count in partitions or [machine.partitions]:
                for row in names:
                    say("preparing")
                    measured = await _measured(row, replace(machine, partitions=count))
                    results += [_at(result, count) if partitions else result for result in measured]
                    progress.advance(bar)
            row = ""
    print_results(console, results)
    write_json(results, OUTPUT)
    console.print(f"[dim]{time.monotonic() - started_s:.0f} s; written to {OUTPUT.relative_to(ROOT)}")


def _at(result: Result, partitions: int) -> Result:
    return replace(result, name=f"{result.name} N={partitions}")


async def _measured(name: str, machine: Machine) -> list[Result]:
    """The results of a row, or one that says why there are none."""
    try:
        return await ROWS[name](machine)
    except Missing as missing:
        reason = str(missing)
    except Exception as error:
        reason = f"failed: {type(error).__name__}: {error}"
    return [Result(name, None, None, None, "", reason)]


async def _conditions(machine: Machine, partitions: Sequence[int]) -> str:
    """Under what conditions the figures come about."""
    fsync, commit = await machine.setting("fsync"), await machine.setting("synchronous_commit")
    counts = " and ".join(map(str, partitions))
    return (
        f"[dim]fsync = {fsync}, synchronous_commit = {commit}; 8 KiB are durable after "
        f"{fsync_ms(machine.layout.data):.2f} ms; {MEMBERS:,} members, {counts} partitions, "
        f"{os.cpu_count()} cores, seed {SEED}"
    )


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


if __name__ == "__main__":
    main()
