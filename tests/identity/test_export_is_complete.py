"""What is exported of a member is everything: a table that names members is told of, or it is said here why not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tessera.identity.v1 import privacy_pb2
from tests.identity.builders import enrol, resolve
from tests.identity.identifiers import add, find, publish_types, remove
from tests.support.suite import SERVICES, definition_of, start_suite

TOLD_BY_IDENTITY = {
    "members",
    "accounts",
    "seats",
    "invitations",
    "merges",
    "consents",
    "identifiers",
    "matches",
    "lookups",
}
"""Tables of identity of which records are made."""
NOT_TOLD = {
    ("identity", "routes"): "what the accounts say, by name",
    ("identity", "identifier_holders"): "what the identifiers say, by value",
    ("identity", "groups"): "the group's; the member's seat says that it owns it",
    ("identity", "unmerges"): "told within the merges",
    ("points", "merges"): "what identity's merges say",
}
"""Tables that name members and make no records of their own, and why."""
README = Path("services/identity/README.md")


def names_members(table: sa.Table) -> bool:
    """Whether a table has a column with a member's ID."""
    return bool({"member_id", "owner_id", "survivor_id", "to_member_id", "holder_id"} & set(table.columns.keys()))


@pytest.mark.parametrize("service", SERVICES)
def test_each_table_that_names_members_is_exported_or_has_a_reason(service: str) -> None:
    tables = [table for table in definition_of(service).metadata.sorted_tables if names_members(table)]
    assert tables
    told = TOLD_BY_IDENTITY
    if service != "identity":
        told = {table.name for table in tables if "member_id" in table.columns}
    reasons = {name for of, name in NOT_TOLD if of == service}
    assert {table.name for table in tables} - told == reasons


def documented() -> dict[str, set[str]]:
    """The fields of kinds that are no messages, as the README lists them."""
    rows = re.findall(r"^\| `(identifier|lookup)` \| (.*) \|$", README.read_text(), re.MULTILINE)
    return {kind: set(re.findall(r"`(\w+)`", fields)) for kind, fields in rows}


async def test_identifiers_matches_and_lookups_are_exported_in_clear_as_documented() -> None:
    async with start_suite("identity") as suite:
        await publish_types(suite)
        address, gone = "ann@example.org", "gone@example.org"
        member, other = [str((await enrol(suite)).member_id) for _ in range(2)]
        await add(suite, member, address, verified=True)
        await find(suite, address)
        await remove(suite, (await add(suite, member, gone)).identifier.identifier_id)
        await add(suite, other, address, verified=True)
        await suite.identity.ResolveAccount(resolve("unconcerned", create=True))
        call = suite.identity.ExportMember(privacy_pb2.ExportMemberRequest(member_id=member))
        records: dict[str, list[dict[str, Any]]] = {}
        async for record in call:
            records.setdefault(record.kind, []).append(json.loads(record.record_json))
        listed = documented()
        assert set(listed) == {"identifier", "lookup"}
        for kind, fields in listed.items():
            assert {name for one in records[kind] for name in one} == fields, f"the fields of {kind}"
        held, removed = sorted(records["identifier"], key=lambda one: "removed_at" in one)
        assert (held["value"], "value" in removed) == (address, False)
        assert [one["match_id"] for one in records["match"]]
        assert [one["caller"] for one in records["lookup"]] == ["operator"]
        assert other not in json.dumps(records)
