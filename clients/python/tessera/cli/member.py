"""`tessera member`: everything the four services know of a member, on one page or as lines of JSON."""

import asyncio
import json
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TextIO
from zoneinfo import ZoneInfo

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from tessera.benefits.v1 import benefits_service_pb2
from tessera.cli.console import Output, OutputOption, SuiteOption, out, table
from tessera.cli.failures import dump
from tessera.cli.running import run
from tessera.cli.whole_file import whole_file
from tessera.client import Client, connect
from tessera.config.v1 import config_service_pb2
from tessera.identity.v1 import identity_service_pb2, privacy_pb2
from tessera.points.v1 import event_pb2, points_service_pb2
from tessera.tiers.v1 import tiers_service_pb2

ENTRIES_SHOWN = 10
ENTITLEMENTS_SHOWN = 20

app = typer.Typer(no_args_is_help=True, help="Look at members.")


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown."""

    member: identity_service_pb2.Member
    standings: list[tiers_service_pb2.Standing]
    balances: list[points_service_pb2.Balance]
    entitlements: list[benefits_service_pb2.Entitlement]
    entries: list[points_service_pb2.Entry]
    scales: dict[str, int]
    """Decimal places of each unit."""
    units_of_ladders: dict[str, str]
    """Which unit each ladder counts."""
    zone: ZoneInfo
    """The programme's: times are shown as they are civil there."""


@app.callback()
def members() -> None:
    """Look at members."""


@app.command()
def show(
    account: Annotated[str, typer.Argument(metavar="DOMAIN:EXTERNAL_ID", help="An account, for example grocery:17.")],
    suite: SuiteOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show who a member is, where it stands, what it owns and may use, and what happened last."""
    domain, separator, external_id = account.partition(":")
    if not separator or not domain or not external_id:
        raise typer.BadParameter("must be DOMAIN:EXTERNAL_ID, for example grocery:17")
    page = run(_read(domain, external_id, Path(suite) if suite else None))
    if output is Output.JSON:
        typer.echo(dump(_as_json(page)))
    else:
        _print(out(), page)


@app.command()
def export(
    member_id: Annotated[str, typer.Argument(metavar="MEMBER_ID", help="A member, for example member_01j…")],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; standard output when it is not given.")
    ] = None,
    suite: SuiteOption = None,
) -> None:
    """Write everything that all services hold on a member, one JSON object a line: service, kind, record."""
    with whole_file(output) if output else nullcontext(sys.stdout) as lines:
        run(_export(member_id, lines, Path(suite) if suite else None))


async def _export(member_id: str, lines: TextIO, suite: Path | None) -> None:
    async with connect(suite_file=suite) as client:
        async for found in client.identity.ExportMember(privacy_pb2.ExportMemberRequest(member_id=member_id)):
            record = {"service": found.service, "kind": found.kind, "record": json.loads(found.record_json)}
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")


async def _read(domain: str, external_id: str, suite: Path | None) -> Page:
    async with connect(suite_file=suite) as client:
        resolved = await client.identity.ResolveAccount(
            identity_service_pb2.ResolveAccountRequest(domain=domain, external_id=external_id)
        )
        return await _page(client, resolved.member_id)


async def _page(client: Client, member_id: str) -> Page:
    of_member: Any = {"member_id": member_id}
    member, standing, balance, entitlements, entries = await asyncio.gather(
        client.identity.GetMember(identity_service_pb2.GetMemberRequest(**of_member)),
        client.tiers.GetStanding(tiers_service_pb2.GetStandingRequest(**of_member)),
        client.points.GetBalance(points_service_pb2.GetBalanceRequest(**of_member)),
        client.benefits.ListEntitlements(
            benefits_service_pb2.ListEntitlementsRequest(**of_member, page_size=ENTITLEMENTS_SHOWN)
        ),
        client.points.ListEntries(points_service_pb2.ListEntriesRequest(**of_member, page_size=ENTRIES_SHOWN)),
    )
    points, tiers = await asyncio.gather(
        *(client.config(name).ListDocuments(config_service_pb2.ListDocumentsRequest()) for name in ("points", "tiers"))
    )
    return Page(
        member=member.member,
        standings=list(standing.standings),
        balances=list(balance.balances),
        entitlements=list(entitlements.entitlements),
        entries=list(entries.entries),
        scales=_scales(points),
        units_of_ladders=_units_of_ladders(tiers),
        zone=_zone(points),
    )


def _scales(documents: config_service_pb2.ListDocumentsResponse) -> dict[str, int]:
    return {
        document.code: int(document.spec.fields["scale"].number_value)
        for document in documents.documents
        if document.kind == "unit"
    }


def _units_of_ladders(documents: config_service_pb2.ListDocumentsResponse) -> dict[str, str]:
    return {
        document.code: document.spec.fields["unit"].string_value
        for document in documents.documents
        if document.kind == "ladder"
    }


def _zone(documents: config_service_pb2.ListDocumentsResponse) -> ZoneInfo:
    zones = [
        document.spec.fields["time_zone"].string_value
        for document in documents.documents
        if document.kind == "programme"
    ]
    return ZoneInfo(zones[0]) if zones and zones[0] else ZoneInfo("UTC")


def _print(console: Console, page: Page) -> None:
    status = identity_service_pb2.MemberStatus.Name(page.member.status).removeprefix("MEMBER_STATUS_").lower()
    console.print(f"[bold]{page.member.member_id}[/bold]  {status}, enrolled {_time(page, page.member.enrolled_at)}")
    console.print()
    _print_accounts(console, page)
    if page.member.seats:
        _print_seats(console, page)
    _print_standings(console, page)
    _print_balances(console, page)
    _print_entitlements(console, page)
    _print_entries(console, page)
    console.print(f"Times are of {page.zone.key}.", style="dim")


def _print_accounts(console: Console, page: Page) -> None:
    listing = table("domain", "external id", "account", "linked", title="Accounts")
    for account in page.member.accounts:
        listing.add_row(account.domain, account.external_id, account.account_id, _time(page, account.linked_at))
    _section(console, listing)


def _print_seats(console: Console, page: Page) -> None:
    listing = table("kind", "role", "group", "joined", title="Groups")
    for seat in page.member.seats:
        listing.add_row(seat.kind, seat.role, seat.group_id, _time(page, seat.joined_at))
    _section(console, listing)


def _print_standings(console: Console, page: Page) -> None:
    listing = table("ladder", "level", "since", ">score", "to the next level", "if idle", title="Standing")
    for standing in page.standings:
        listing.add_row(
            standing.ladder,
            standing.level,
            _day(page, standing.since),
            _amount(page, page.units_of_ladders.get(standing.ladder, ""), standing.score),
            _progress(page, standing),
            standing.level_if_idle,
        )
    _section(console, listing)


def _progress(page: Page, standing: tiers_service_pb2.Standing) -> str:
    if not standing.HasField("progress"):
        return "highest level"
    missing = _amount(page, standing.progress.unit, standing.progress.missing)
    return f"{missing} {standing.progress.unit} for {standing.progress.next_level}"


def _print_balances(console: Console, page: Page) -> None:
    listing = table("unit", ">available", ">pending", ">held", "next expiries", title="Balances")
    for balance in page.balances:
        expiries = ", ".join(
            f"{_amount(page, balance.unit, expiry.amount)} on {_day(page, expiry.expires_at)}"
            for expiry in balance.expiries
        )
        amounts = (balance.available, balance.pending, balance.held)
        listing.add_row(balance.unit, *(_amount(page, balance.unit, amount) for amount in amounts), expiries or "none")
    _section(console, listing)


def _print_entitlements(console: Console, page: Page) -> None:
    listing = table("benefit", "state", "from", "until", "uses left", "cause", title="Entitlements")
    for entitlement in page.entitlements:
        state = benefits_service_pb2.EntitlementState.Name(entitlement.state).removeprefix("ENTITLEMENT_STATE_")
        listing.add_row(
            entitlement.benefit,
            state.lower(),
            _time(page, entitlement.valid_from),
            _time(page, entitlement.valid_until) if entitlement.HasField("valid_until") else "open",
            str(entitlement.uses_left) if entitlement.HasField("uses_left") else "any",
            entitlement.cause,
        )
    _section(console, listing)


def _print_entries(console: Console, page: Page) -> None:
    domains = {account.account_id: account.domain for account in page.member.accounts}
    listing = table("when", "what", ">amount", "unit", ">balance", "through", "level", title="Last entries")
    for entry in page.entries:
        listing.add_row(
            _time(page, entry.effective_at),
            event_pb2.EntryKind.Name(entry.kind).removeprefix("ENTRY_KIND_").lower().replace("_", " "),
            _amount(page, entry.unit, entry.amount, sign="+"),
            entry.unit,
            _amount(page, entry.unit, entry.balance_after),
            domains.get(entry.account_id, ""),
            entry.level,
        )
    _section(console, listing)


def _section(console: Console, listing: Any) -> None:
    if not listing.row_count:
        listing.add_row("none", *[""] * (len(listing.columns) - 1))
    console.print(listing)
    console.print()


def _time(page: Page, at: Timestamp) -> str:
    local: datetime = at.ToDatetime(UTC).astimezone(page.zone)
    return f"{local:%Y-%m-%d %H:%M}" if (local.hour, local.minute) != (0, 0) else f"{local:%Y-%m-%d}"


def _day(page: Page, at: Timestamp) -> str:
    return f"{at.ToDatetime(UTC).astimezone(page.zone):%Y-%m-%d}"


def _amount(page: Page, unit: str, amount: int, sign: str = "") -> str:
    """An amount in major units, exactly: the digits of its minor units with a point between."""
    scale = page.scales.get(unit, 0)
    whole, part = divmod(abs(amount), 10**scale)
    mark = "-" if amount < 0 else sign
    return f"{mark}{whole:,}" + (f".{part:0{scale}d}" if scale else "")


def _as_json(page: Page) -> dict[str, Any]:
    return {
        "member": MessageToDict(page.member, preserving_proto_field_name=True),
        "standings": [MessageToDict(item, preserving_proto_field_name=True) for item in page.standings],
        "balances": [MessageToDict(item, preserving_proto_field_name=True) for item in page.balances],
        "entitlements": [MessageToDict(item, preserving_proto_field_name=True) for item in page.entitlements],
        "last_entries": [MessageToDict(item, preserving_proto_field_name=True) for item in page.entries],
    }
