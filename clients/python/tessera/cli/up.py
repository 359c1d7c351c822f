"""`tessera up`: a whole suite on this machine, until Ctrl-C."""

import asyncio
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tessera.cli.console import LogPrinter, out, table
from tessera.cli.failures import Interrupted
from tessera.cli.running import run
from tessera.suite import Suite, data_root
from tessera.up.options import FIRST_METRICS_PORT, FIRST_PORT, Options, check_installed


class ClockKind(StrEnum):
    """Where domain time comes from."""

    REAL = "real"
    VIRTUAL = "virtual"


class Transport(StrEnum):
    """What serves HTTP/2."""

    GRPCIO = "grpcio"
    NATIVE = "native"


class LogLevel(StrEnum):
    """From which level on services log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Directory of everything the suite keeps; the same option of other commands finds it.",
        show_default="build/data/up",
    ),
]
PortOption = Annotated[
    int, typer.Option("--port", min=0, max=65_000, help="Port of identity; the others take the next three. 0: any.")
]
MetricsPortOption = Annotated[
    int, typer.Option("--metrics-port", min=0, max=65_000, help="The same for /metrics. 0: any.")
]
TransportOption = Annotated[Transport, typer.Option("--transport", help="What serves HTTP/2; native is an extra.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes of each service.")]
AdminDsnOption = Annotated[
    str | None,
    typer.Option(
        "--admin-dsn",
        envvar="TESSERA_ADMIN_DSN",
        help="Superuser's DSN of a PostgreSQL 17 or newer to use instead of the embedded one.",
    ),
]
LogLevelOption = Annotated[LogLevel, typer.Option("--log-level", help="From which level on services log.")]

InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Speak without TLS, and know callers by their tokens alone.")
]


def up(
    data: DataOption = None,
    clock: Annotated[
        ClockKind, typer.Option("--clock", help="A virtual clock moves only when it is told to.")
    ] = ClockKind.REAL,
    virtual_clock_start: Annotated[
        str | None, typer.Option("--virtual-clock-start", help="First instant of a virtual clock, ISO 8601.")
    ] = None,
    transport: TransportOption = Transport.GRPCIO,
    workers: WorkersOption = 1,
    port: PortOption = FIRST_PORT,
    metrics_port: MetricsPortOption = FIRST_METRICS_PORT,
    admin_dsn: AdminDsnOption = None,
    log_level: LogLevelOption = LogLevel.INFO,
    insecure: InsecureOption = False,
) -> None:
    """Start PostgreSQL and all four services on this machine, and stop them with Ctrl-C."""
    if virtual_clock_start is not None and clock is ClockKind.REAL:
        raise typer.BadParameter("--virtual-clock-start needs --clock virtual")
    options = Options(
        data=data or data_root() / "up",
        clock=clock,
        virtual_clock_start=virtual_clock_start,
        transport=transport,
        workers=workers,
        port=port,
        metrics_port=metrics_port,
        admin_dsn=admin_dsn,
        log_level=log_level,
        insecure=insecure,
    )
    console = out()
    try:
        run(_serve(options, console))
    except Interrupted:
        console.print("stopped")


async def _serve(options: Options, console: Console) -> None:
    check_installed(options)
    from tessera.up.run import running_suite  # needs what was just checked

    started = time.monotonic()
    async with running_suite(options, LogPrinter(console, everything=True)) as suite:
        print_suite(console, suite, time.monotonic() - started)
        console.print("Ctrl-C stops it.")
        await asyncio.Event().wait()


def print_suite(console: Console, suite: Suite, seconds: float) -> None:
    """Where everything is."""
    listing = table("service", "calls", "metrics")
    for name, address in suite.addresses.items():
        listing.add_row(name, address, f"http://{suite.metrics[name]}/metrics")
    console.print(f"All four services are SERVING ({seconds:.1f} s).", style="bold green")
    console.print(listing)
    console.print(f"Data, tokens, certificates and logs: {suite.data}")
    if not suite.tls:
        console.print("Without TLS: tokens alone say who calls, and whoever listens reads along.", style="yellow")
    console.print(f"Other commands find the suite started last; this one always with --data {suite.data}")
