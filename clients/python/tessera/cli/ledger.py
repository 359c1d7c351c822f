"""`tessera seal`, `tessera archive` and `tessera rebuild`: keeping the ledger of points."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tessera.archive import Archived, archive_journal
from tessera.cli.console import Output, OutputOption, SuiteOption, number, out, table
from tessera.cli.failures import FAILED, dump
from tessera.cli.running import run
from tessera.client import connect
from tessera.points.v1 import rebuild_pb2, seal_pb2


def seal(suite: SuiteOption = None, output: OutputOption = Output.TABLE) -> None:
    """Prove the ledger from its newest seals on, and seal what was proved; keep the hashes somewhere else.

    Exits with code 1 when something does not hold; nothing is sealed of that partition then.
    """
    found = run(_seal(Path(suite) if suite else None))
    if output is Output.JSON:
        typer.echo(dump(found))
    else:
        listing = table(">partition", ">sealed up to", "hash")
        for line in found:
            listing.add_row(str(line["partition"]), number(line["position"]), line["seal_hash"])
        out().print(listing)
        for line in found:
            _print_red(f"partition {line['partition']}", line["findings"])
    if any(line["findings"] for line in found):
        raise typer.Exit(FAILED)


async def _seal(suite: Path | None) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    async with connect(suite_file=suite) as client:
        async for answer in client.points.SealLedger(seal_pb2.SealLedgerRequest()):
            line = found.setdefault(answer.partition, {"partition": answer.partition, "findings": []})
            line["findings"].extend(answer.findings)
            line |= {"position": answer.seal.position, "seal_hash": answer.seal.seal_hash.hex()}
    return list(found.values())


def archive(
    folder: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where the files go.")],
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Move the sealed part of the journal of points that every service has read into files.

    It can be interrupted and run again. Afterwards `tessera verify` needs --archive with the same directory.
    """
    archived = run(_archive(Path(suite) if suite else None, folder))
    if output is Output.JSON:
        parts = ({"partition": a.partition, "first": a.first, "last": a.last, "file": str(a.path)} for a in archived)
        typer.echo(dump(list(parts)))
    else:
        listing = table(">partition", ">from", ">to", "file")
        for part in archived:
            listing.add_row(str(part.partition), number(part.first), number(part.last), str(part.path))
        out().print(listing)


async def _archive(suite: Path | None, folder: Path) -> list[Archived]:
    console = Console(stderr=True)
    async with connect(suite_file=suite) as client:
        return await archive_journal(client, folder, console.print)


def rebuild(
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
    write: Annotated[bool, typer.Option("--write/--check", help="Put right what differs, or only tell it.")] = False,
) -> None:
    """Compute balances, lots and what belongs to them from the journal alone, and compare them with the tables.

    Exits with code 1 when something differs and is not put right.
    """
    found = run(_rebuild(Path(suite) if suite else None, write=write))
    if output is Output.JSON:
        typer.echo(dump(found))
    else:
        listing = table(">partition", ">up to", ">differences", ">put right")
        for line in found:
            listing.add_row(*(number(line[name]) for name in ("partition", "position", "count", "repaired")))
        out().print(listing)
        for line in found:
            _print_red(f"partition {line['partition']}", line["differences"])
    if any(line["count"] > line["repaired"] for line in found):
        raise typer.Exit(FAILED)


async def _rebuild(suite: Path | None, *, write: bool) -> list[dict[str, Any]]:
    found = []
    async with connect(suite_file=suite) as client:
        async for answer in client.points.RebuildLedger(rebuild_pb2.RebuildLedgerRequest(write=write)):
            if answer.done:
                figures = {"count": answer.difference_count, "repaired": answer.repaired}
                line = {"partition": answer.partition, "position": answer.position, **figures}
                found.append({**line, "differences": list(answer.differences)})
    return found


def _print_red(name: str, lines: list[str]) -> None:
    for line in lines:
        out().print(f"  {name}: {line}", style="red", markup=False)
