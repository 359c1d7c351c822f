"""`tessera audit`: who called what, for whom and with what verdict, and the proof that nothing of it was changed."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from tessera.audit.v1 import audit_service_pb2 as pb
from tessera.cli.console import Output, OutputOption, SuiteOption, number, out, table
from tessera.cli.failures import FAILED, Failure, dump
from tessera.cli.running import run
from tessera.client import Client, connect
from tessera.topology import SERVICES

DEFAULT_RECORDS = 50
SUBJECTS_SHOWN = 2
"""Of each record in the table; JSON has all."""

app = typer.Typer(no_args_is_help=True, help="See who called what, and prove that nothing of it was changed.")

ServiceOption = Annotated[
    str | None, typer.Option("--service", "-s", help="One service alone.", show_default="all of them")
]


@dataclass(frozen=True, slots=True)
class Proved:
    """What came of the proof of one trail."""

    service: str
    first: int
    link: int
    hash: str
    records: int
    finding: str


@app.command()
def verify(
    service: ServiceOption = None,
    heads: Annotated[
        Path | None,
        typer.Option("--heads", metavar="FILE", help="Where the ends of the trails are kept: compared, then noted."),
    ] = None,
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Prove that no link of the audit trails was changed, removed, inserted or moved; name the first one that is wrong.

    That a trail was cut off at its end shows only against ends that were seen before: keep FILE where nobody can write
    who can write to the databases. Exits with code 1 when something does not hold.
    """
    known = _read_heads(heads)
    proved = run(_verify(Path(suite) if suite else None, _services(service), known))
    if output is Output.JSON:
        typer.echo(dump([{name: getattr(one, name) for name in Proved.__slots__} for one in proved]))
    else:
        print_proved(out(), proved)
    if any(one.finding for one in proved):
        raise typer.Exit(FAILED)
    if heads is not None:
        ends = known | {one.service: {"link": one.link, "hash": one.hash} for one in proved}
        heads.write_text(json.dumps(ends, indent=2) + "\n")


@app.command("list")
def list_records(
    service: ServiceOption = None,
    caller: Annotated[str, typer.Option("--caller", help="Only calls of this caller.")] = "",
    subject: Annotated[str, typer.Option("--subject", metavar="ID", help="Only calls about this ID.")] = "",
    method: Annotated[
        str, typer.Option("--method", help="Only calls of this method, as tessera.points.v1.PointsService/Spend.")
    ] = "",
    refused: Annotated[bool, typer.Option("--refused", help="Only calls refused, or with refused items.")] = False,
    since: Annotated[datetime | None, typer.Option("--since", help="Only from then on, in UTC.")] = None,
    until: Annotated[datetime | None, typer.Option("--until", help="Only before, in UTC.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")] = DEFAULT_RECORDS,
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List who called what, for whom and with what verdict, newest first."""
    request = pb.ListAuditRecordsRequest(caller=caller, subject=subject, method=method, refused=refused)
    for field, time in (("since", since), ("until", until)):
        if time is not None:
            getattr(request, field).FromDatetime(time)
    records = run(_list(Path(suite) if suite else None, _services(service), request, limit))
    if output is Output.JSON:
        typer.echo(dump([_as_json(record) for record in records]))
    else:
        print_records(out(), records)


def _services(chosen: str | None) -> tuple[str, ...]:
    if chosen is None:
        return SERVICES
    if chosen not in SERVICES:
        raise Failure(f"there is no service {chosen}; there are {', '.join(SERVICES)}")
    return (chosen,)


def _read_heads(file: Path | None) -> dict[str, Any]:
    """The ends of trails that were seen before."""
    if file is None or not file.exists():
        return {}
    try:
        ends = json.loads(file.read_text())
        return {
            service: {"link": int(end["link"]), "hash": bytes.fromhex(end["hash"]).hex()}
            for service, end in ends.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"{file} is not as `tessera audit verify --heads` writes it: {error}") from None


async def _verify(suite: Path | None, services: tuple[str, ...], known: Mapping[str, Any]) -> list[Proved]:
    async with connect(suite_file=suite) as client:
        return await asyncio.gather(*(_prove(client, service, known.get(service)) for service in services))


async def _prove(client: Client, service: str, known: Mapping[str, Any] | None) -> Proved:
    request = pb.VerifyAuditRequest()
    if known is not None:
        request.known_link, request.known_hash = known["link"], bytes.fromhex(known["hash"])
    answers = [answer async for answer in client.audit(service).VerifyAudit(request)]
    answer = answers[-1]
    return Proved(service, answer.first, answer.link, answer.hash.hex(), answer.records, answer.finding)


async def _list(
    suite: Path | None, services: tuple[str, ...], request: pb.ListAuditRecordsRequest, limit: int
) -> list[pb.AuditRecord]:
    async with connect(suite_file=suite) as client:
        found = await asyncio.gather(*(_newest(client, service, request, limit) for service in services))
    records = [record for of_service in found for record in of_service]
    return sorted(records, key=lambda record: record.at.ToNanoseconds(), reverse=True)[:limit]


async def _newest(client: Client, service: str, asked: pb.ListAuditRecordsRequest, limit: int) -> list[pb.AuditRecord]:
    request = pb.ListAuditRecordsRequest()
    request.CopyFrom(asked)
    records: list[pb.AuditRecord] = []
    while len(records) < limit:
        page = await client.audit(service).ListAuditRecords(request)
        records.extend(page.records)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    return records


def print_proved(console: Console, proved: list[Proved]) -> None:
    """A line for each trail, and one for what is wrong."""
    listing = table("service", ">first link", ">last link", ">records", "hash", "")
    for one in proved:
        verdict = "[red]does not hold[/red]" if one.finding else "[green]holds[/green]"
        listing.add_row(one.service, number(one.first), number(one.link), number(one.records), one.hash[:16], verdict)
    console.print(listing)
    for one in proved:
        if one.finding:
            console.print(f"  {one.service}: {one.finding}", style="red", markup=False)


def print_records(console: Console, records: list[pb.AuditRecord]) -> None:
    """A line for each call."""
    listing = table("at (UTC)", "caller", "proof", "method", "verdict", ">items", ">refused", "about")
    for record in records:
        shown = " ".join(record.subjects[:SUBJECTS_SHOWN])
        more = len(record.subjects) - SUBJECTS_SHOWN
        listing.add_row(
            _time(record.at),
            record.caller or "?",
            record.proof or "nothing",
            record.method.removeprefix("tessera."),
            _verdict(record),
            number(record.items) if record.items else "",
            number(record.refused_items) if record.refused_items else "",
            f"{shown} and {more} more" if more > 0 else shown,
        )
    console.print(listing)


def _verdict(record: pb.AuditRecord) -> str:
    if record.code == 0:
        return "[green]OK[/green]"
    return f"[red]{record.reason or 'CANCELLED'}[/red]"


def _time(at: Timestamp) -> str:
    return at.ToDatetime().isoformat(sep=" ", timespec="milliseconds")


def _as_json(record: pb.AuditRecord) -> dict[str, Any]:
    return {
        "link": record.link,
        "at": record.at.ToJsonString(),
        "caller": record.caller,
        "proof": record.proof,
        "method": record.method,
        "subjects": list(record.subjects),
        "code": record.code,
        "reason": record.reason,
        "items": record.items,
        "refused_items": record.refused_items,
        "trace_id": record.trace_id,
    }
