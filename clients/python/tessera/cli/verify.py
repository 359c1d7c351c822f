"""`tessera verify`: proves a whole suite."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from tessera.archive import SERVICE as ARCHIVED_SERVICE
from tessera.archive import read_archive
from tessera.cli.console import Output, OutputOption, SuiteOption, out, table
from tessera.cli.failures import FAILED, dump
from tessera.cli.running import run
from tessera.client import Client, connect
from tessera.points.v1.seal_pb2 import Seal
from tessera.proofs import Proof, prove_chain, prove_drained, prove_ledger, prove_liability
from tessera.topology import SERVICES

FINDINGS_SHOWN = 10
"""Of each proof; what is wrong once is often wrong everywhere."""

Prove = Callable[[Callable[[int, int], None]], Awaitable[Proof]]


def verify(
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
    from_seal: Annotated[
        bool, typer.Option("--from-seal", help="Prove the ledger from its newest seals on, not from its beginning.")
    ] = False,
    archive: Annotated[
        Path | None,
        typer.Option("--archive", metavar="DIRECTORY", help="Where the journal was archived to: it is proved too."),
    ] = None,
) -> None:
    """Prove the ledger, the hash chains of all four journals, that liability is what lies in lots, and drained feeds.

    With an archive, the ledger is proved from its newest seals on. Exits with code 1 when something does not hold.
    """
    console = Console(stderr=True)
    proofs = run(_verify(Path(suite) if suite else None, console, from_seal or archive is not None, archive))
    if output is Output.JSON:
        typer.echo(dump([{"proof": p.name, "subject": p.subject, "findings": p.findings} for p in proofs]))
    else:
        print_proofs(out(), proofs)
    if not all(proof.holds for proof in proofs):
        raise typer.Exit(FAILED)


async def _verify(suite: Path | None, console: Console, from_seal: bool, archive: Path | None) -> list[Proof]:
    archived = await asyncio.to_thread(read_archive, archive) if archive is not None else {}
    async with connect(suite_file=suite) as client:
        drained = await prove_drained(client)
        columns = (TextColumn("{task.description:<18}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bars:
            proven = [_with_bar(bars, "ledger", lambda tell: prove_ledger(client, tell, from_seal=from_seal))]
            for name in SERVICES:
                chain = _chain(client, name, archived if name == ARCHIVED_SERVICE else {})
                proven.append(_with_bar(bars, f"{name}'s chain", chain))
            return [drained, *await asyncio.gather(*proven), await prove_liability(client)]


def _chain(client: Client, service: str, archived: Mapping[int, Seal]) -> Prove:
    return lambda tell: prove_chain(client, service, tell, archived)


async def _with_bar(bars: Progress, name: str, prove: Prove) -> Proof:
    bar = bars.add_task(name, total=None)
    return await prove(lambda done, total: bars.update(bar, completed=done, total=total))


def print_proofs(console: Console, proofs: Sequence[Proof]) -> None:
    """One line for each proof, and one for each thing that does not hold."""
    listing = table("proof", "over", "")
    for proof in proofs:
        listing.add_row(
            proof.name, proof.subject, "[green]holds[/green]" if proof.holds else "[red]does not hold[/red]"
        )
    console.print(listing)
    for proof in proofs:
        for finding in proof.findings[:FINDINGS_SHOWN]:
            console.print(f"  {proof.name}: {finding}", style="red", markup=False)
        if len(proof.findings) > FINDINGS_SHOWN:
            console.print(f"  {proof.name}: and {len(proof.findings) - FINDINGS_SHOWN:,} more", style="red")
