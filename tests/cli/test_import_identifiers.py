"""Accounts are imported with what their members are known by: added once, refused alone, in totals of their own."""

from pathlib import Path

import pytest

from tessera import connect
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.cli.command import Up
from tests.cli.imports import FOOD, FUEL, configure, members, phone, read_report, write_csv

HEADER = "domain,external_id,person,identifier.mail,identifier.mail.verified,identifier.handset"
TYPES = """
---
kind: identifier-type
code: mail
programme: brought
spec: {name: Mail, normaliser: email, strength: proof}
---
kind: identifier-type
code: handset
programme: brought
spec: {name: Handset, normaliser: device, strength: evidence}
"""


@pytest.fixture(scope="module")
def shop(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Up:
    folder = tmp_path_factory.mktemp("pack")
    configure(up, folder)
    pack = folder / "pack.yaml"
    pack.write_text(pack.read_text() + TYPES)
    up.json("apply", "-f", str(folder))
    return up


async def known_by(up: Up, member_id: str) -> dict[str, tuple[str, bool]]:
    async with connect(suite_file=up.data) as client:
        member = (await client.identity.GetMember(pb.GetMemberRequest(member_id=member_id))).member
    return {one.type: (one.value, one.HasField("verified_at")) for one in member.identifiers}


async def test_what_members_are_known_by_comes_with_their_accounts(shop: Up, tmp_path: Path) -> None:
    """Rows of one person give one member what both say; values are normalised, a second run changes nothing."""
    fuel, food = phone(), phone()
    file = write_csv(
        tmp_path / "accounts.csv",
        [
            (FUEL, fuel, "p", f"Ann.{fuel[-8:]}@Example.ORG", "true", ""),
            (FOOD, food, "p", "", "", f"handset-{food[-8:]}"),
            (FOOD, phone(), "", "", "", ""),
        ],
        HEADER,
    )
    first = shop.json("import", "accounts", str(file))["after"]
    assert {one["type"]: (one["given"], one["added"], one["refused"]) for one in first["identifiers"]} == {
        "mail": (1, 1, 0),
        "handset": (1, 1, 0),
    }
    member, same = await members(shop, [(FUEL, fuel), (FOOD, food)])
    assert member == same
    before = await known_by(shop, member)
    assert before == {
        "mail": (f"ann.{fuel[-8:]}@example.org", True),
        "handset": (f"handset-{food[-8:]}", False),
    }
    second = shop.json("import", "accounts", str(file))["after"]
    assert [(one["added"], one["known"]) for one in second["identifiers"]] == [(0, 1), (0, 1)]
    assert await known_by(shop, member) == before


def test_a_value_that_its_type_refuses_is_told_by_row_and_column_and_its_account_arrives(
    shop: Up, tmp_path: Path
) -> None:
    file = write_csv(
        tmp_path / "accounts.csv",
        [(FUEL, phone(), "", "no mail at all", "", ""), (FUEL, phone(), "", "", "", "h" * 5000)],
        HEADER,
    )
    done = shop.run("import", "accounts", str(file), "--skip-refused")
    assert done.returncode == 1
    assert read_report(file) == [
        (1, "identifier.mail", "IDENTIFIER_UNPARSEABLE"),
        (2, "identifier.handset", "IDENTIFIER_TOO_LONG"),
    ]
    assert "no mail at all" not in (file.with_name(f"{file.name}.errors.csv").read_text() + done.stdout + done.stderr)
    assert "1 accounts are new" in done.stdout


def test_a_dry_run_counts_them_and_sends_none(shop: Up, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "accounts.csv", [(FUEL, phone(), "", "", "", "handset-1")], HEADER)
    found = shop.json("import", "accounts", str(file), "--dry-run")
    assert [(one["type"], one["given"], one["waiting"]) for one in found["before"]["identifiers"]] == [
        ("handset", 1, 1)
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("domain,external_id,identifier.planet", "identity has no type of identifiers planet"),
        ("domain,external_id,identifier.mail.verified", "stands beside no 'identifier.mail'"),
        ("domain,external_id,identifier.Mail", "is no code of a type"),
    ],
)
def test_columns_that_mean_nothing_are_named(shop: Up, tmp_path: Path, header: str, said: str) -> None:
    done = shop.run("import", "accounts", str(write_csv(tmp_path / "accounts.csv", [(FUEL, phone(), "")], header)))
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_account_with_other_identifiers_is_a_conflict(shop: Up, tmp_path: Path) -> None:
    name = phone()
    rows = [(FUEL, name, "", "", "", "handset-1"), (FUEL, name, "", "", "", "handset-2")]
    file = write_csv(tmp_path / "accounts.csv", rows, HEADER)
    assert shop.run("import", "accounts", str(file)).returncode == 1
    assert {reason for _, _, reason in read_report(file)} == {"ACCOUNT_CONFLICT"}
