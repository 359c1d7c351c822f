"""Files of accounts, and what identity knows of them."""

import csv
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tessera import connect
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.cli.command import Up

_PROGRAMME = """
kind: programme
code: brought
programme: brought
spec: {name: Shop, time_zone: Europe/Berlin, currency: EUR}
"""
_DOMAIN = """
---
kind: domain
code: %s
programme: brought
spec: {name: %s, owner: team, accounts_per_member: %s}
"""
_DOMAINS = (("brought-fuel", 1), ("brought-food", 1), ("brought-travel", "unlimited"))
FUEL, FOOD, TRAVEL = (domain for domain, _ in _DOMAINS)

_NUMBERS = itertools.count(1)


def configure(up: Up, folder: Path) -> None:
    """Publishes the domains; a member may have several accounts in travel alone."""
    domains = "".join(_DOMAIN % (code, code, limit) for code, limit in _DOMAINS)
    (folder / "pack.yaml").write_text(_PROGRAMME + domains)
    up.json("apply", "-f", str(folder))


def phone() -> str:
    """An external id never used before."""
    return f"+86 138 {next(_NUMBERS):08}"


def write_csv(path: Path, rows: Iterable[Sequence[Any]], header: str = "domain,external_id,verified,person") -> Path:
    """A file with these rows."""
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(header.split(","))
        lines.writerows(rows)
    return path


def read_report(path: Path) -> list[tuple[int, str, str]]:
    """The row, column and reason of each line of an error report."""
    with path.with_name(f"{path.name}.errors.csv").open(newline="") as file:
        return [(int(line["row"]), line["column"], line["reason"]) for line in csv.DictReader(file)]


def figures(total: Mapping[str, Any]) -> dict[str, int]:
    """The numbers of a total that are not 0."""
    return {name: value for name, value in total.items() if value and name != "domain"}


async def members(up: Up, accounts: Iterable[tuple[str, str]]) -> list[str]:
    """Whose each account is; empty where nobody's."""
    asked = [pb.ResolveAccountRequest(domain=domain, external_id=external_id) for domain, external_id in accounts]
    found: list[str] = []
    async with connect(suite_file=up.data) as client:
        for start in range(0, len(asked), 1000):
            request = pb.BulkResolveAccountsRequest(requests=asked[start : start + 1000])
            answer = await client.identity.BulkResolveAccounts(request)
            found += [result.response.member_id for result in answer.results]
    return found
