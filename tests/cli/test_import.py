"""`tessera import accounts`: rows are checked first, enrolled and linked once, and counted."""

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from tessera import connect
from tessera.identity.v1 import identity_service_pb2 as pb
from tests.cli.command import Up
from tests.cli.imports import FOOD, FUEL, TRAVEL, configure, figures, members, phone, read_report, write_csv


@pytest.fixture(scope="module")
def shop(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Up:
    configure(up, tmp_path_factory.mktemp("pack"))
    return up


def _imported(shop: Up, file: Path, *options: str) -> Any:
    return shop.json("import", "accounts", str(file), *options)


async def test_rows_of_one_person_become_accounts_of_one_member(shop: Up, tmp_path: Path) -> None:
    one, two, three, alone = phone(), phone(), phone(), phone()
    rows = [(FUEL, one, "true", "ann"), (FUEL, alone, "", ""), (FOOD, two, "no", "ann"), (TRAVEL, three, "1", "ann")]
    after = _imported(shop, write_csv(tmp_path / "a.csv", rows))["after"]
    assert figures(after["all"]) == {"rows": 4, "new_members": 2, "linked": 2, "found": 4}
    by_domain = {total["domain"]: figures(total) for total in after["domains"]}
    assert by_domain[FUEL] == {"rows": 2, "new_members": 2, "found": 2}
    assert by_domain[FOOD] == {"rows": 1, "linked": 1, "found": 1}
    ann, other, *anns = await members(shop, [(domain, name) for domain, name, *_ in rows])
    assert ann
    assert other not in ("", ann)
    assert anns == [ann, ann]
    async with connect(suite_file=shop.data) as client:
        member = (await client.identity.GetMember(pb.GetMemberRequest(member_id=ann))).member
    assert {account.external_id: account.verified for account in member.accounts} == {
        one: True,
        two: False,
        three: True,
    }


async def test_a_second_run_changes_nothing_with_and_without_what_was_remembered(shop: Up, tmp_path: Path) -> None:
    rows = [(FUEL, phone(), "", "a"), (FOOD, phone(), "", "a"), (FUEL, phone(), "", "")]
    file = write_csv(tmp_path / "a.csv", rows)
    assert figures(_imported(shop, file)["after"]["all"]) == {"rows": 3, "new_members": 2, "linked": 1, "found": 3}
    before = await members(shop, [(domain, name) for domain, name, *_ in rows])
    again = {"rows": 3, "unchanged": 3, "found": 3}
    assert figures(_imported(shop, file)["after"]["all"]) == again
    (tmp_path / "a.csv.import").unlink()
    assert figures(_imported(shop, file)["after"]["all"]) == again
    assert await members(shop, [(domain, name) for domain, name, *_ in rows]) == before


async def test_a_person_some_of_whose_accounts_are_known_gets_the_others_linked(shop: Up, tmp_path: Path) -> None:
    known, new = phone(), phone()
    _imported(shop, write_csv(tmp_path / "a.csv", [(FOOD, known, "", "")]))
    rows = [(FUEL, new, "", "a"), (FOOD, known, "", "a")]
    after = _imported(shop, write_csv(tmp_path / "b.csv", rows))["after"]
    assert figures(after["all"]) == {"rows": 2, "unchanged": 1, "linked": 1, "found": 2}
    one, other = await members(shop, [(FUEL, new), (FOOD, known)])
    assert one == other


async def test_a_person_whose_accounts_belong_to_two_members_is_refused(shop: Up, tmp_path: Path) -> None:
    one, two, new = phone(), phone(), phone()
    _imported(shop, write_csv(tmp_path / "a.csv", [(FUEL, one, "", ""), (FOOD, two, "", "")]))
    rows = [(FUEL, one, "", "a"), (FOOD, two, "", "a"), (TRAVEL, new, "", "a"), (FUEL, phone(), "", "")]
    file = write_csv(tmp_path / "b.csv", rows)
    done = shop.run("import", "accounts", str(file), "--skip-refused")
    assert done.returncode == 0, done.stderr
    assert read_report(file) == [(number, "person", "PERSON_CONFLICT") for number in (1, 2, 3)]
    assert await members(shop, [(TRAVEL, new)]) == [""]


def test_no_figure_is_cut_off_where_no_terminal_is(shop: Up, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [(FUEL, phone(), "", ""), (FOOD, phone(), "", "")])
    told = shop.run("import", "accounts", str(file)).stdout
    assert "…" not in told
    assert "new members" in told


async def test_attributes_enrol_with_the_member(shop: Up, tmp_path: Path) -> None:
    one, two = phone(), phone()
    header = "person,attr.birthday,external_id,domain,attr.region"
    rows = [("a", "", one, FUEL, ""), ("a", "1990-02-03", two, FOOD, "")]
    _imported(shop, write_csv(tmp_path / "a.csv", rows, header))
    (member_id,) = await members(shop, [(FUEL, one)])
    async with connect(suite_file=shop.data) as client:
        member = (await client.identity.GetMember(pb.GetMemberRequest(member_id=member_id))).member
    assert dict(member.attributes) == {"birthday": "1990-02-03"}
    assert len(member.accounts) == 2


async def test_nothing_is_sent_while_a_row_is_refused(shop: Up, tmp_path: Path) -> None:
    good = phone()
    file = write_csv(tmp_path / "a.csv", [(FUEL, good, "", ""), ("nowhere", phone(), "", "")])
    done = shop.run("import", "accounts", str(file))
    assert done.returncode == 1
    assert "Nothing was sent" in done.stdout
    assert "Traceback" not in done.stderr
    assert await members(shop, [(FUEL, good)]) == [""]
    assert shop.run("import", "accounts", str(file), "--skip-refused").returncode == 0
    assert await members(shop, [(FUEL, good)]) != [""]


async def test_a_dry_run_sends_nothing_and_is_not_taken_for_an_import(shop: Up, tmp_path: Path) -> None:
    name = phone()
    file = write_csv(tmp_path / "a.csv", [(FUEL, name, "", "")])
    told = _imported(shop, file, "--dry-run")
    assert not told["sent"]
    assert figures(told["before"]["all"]) == {"rows": 1, "waiting": 1}
    assert await members(shop, [(FUEL, name)]) == [""]
    assert figures(_imported(shop, file)["after"]["all"]) == {"rows": 1, "new_members": 1, "found": 1}


def test_each_mistake_of_a_row_has_its_reason_and_no_value_is_told(shop: Up, tmp_path: Path) -> None:
    twice, torn = phone(), phone()
    header = "domain,external_id,verified,person,attr.note"
    rows = [
        (FUEL, phone(), "", "", ""),
        ("nowhere", phone(), "", "", ""),
        (FUEL, "", "", "", ""),
        (FUEL, "x" * 513, "", "", ""),
        (FUEL, phone(), "perhaps", "", ""),
        (FUEL, phone(), "", "", "y" * 1025),
        (FUEL, phone(), ""),
        (FUEL, twice, "", "", ""),
        (FUEL, twice, "", "", ""),
        (FUEL, torn, "", "bob", ""),
        (FUEL, torn, "", "eve", ""),
        (FUEL, phone(), "", "odd", "one"),
        (FOOD, phone(), "", "odd", "two"),
        (FUEL, phone(), "", "two-cars", ""),
        (FUEL, phone(), "", "two-cars", ""),
    ]
    file = write_csv(tmp_path / "a.csv", rows, header)
    with file.open("ab") as raw:
        raw.write(f"{FUEL},".encode() + b"caf\xe9,,,\r\n")
    done = shop.run("import", "accounts", str(file))
    assert done.returncode == 1
    assert read_report(file) == [
        (2, "domain", "DOMAIN_UNKNOWN"),
        (3, "external_id", "EXTERNAL_ID_MISSING"),
        (4, "external_id", "EXTERNAL_ID_TOO_LONG"),
        (5, "verified", "VERIFIED_INVALID"),
        (6, "attr.note", "ATTRIBUTE_TOO_LONG"),
        (7, "", "CELLS_DIFFER"),
        (9, "", "DUPLICATE_ROW"),
        (10, "external_id", "ACCOUNT_CONFLICT"),
        (11, "external_id", "ACCOUNT_CONFLICT"),
        (12, "person", "ATTRIBUTES_CONFLICT"),
        (13, "person", "ATTRIBUTES_CONFLICT"),
        (15, "domain", "DOMAIN_ACCOUNT_LIMIT"),
        (16, "external_id", "ENCODING_INVALID"),
    ]
    kept = done.stdout + done.stderr + (tmp_path / "a.csv.errors.csv").read_text()
    kept += (tmp_path / "a.csv.import").read_bytes().decode("latin-1")
    assert not any(str(row[1])[:20] in kept for row in rows if row[1])


async def test_what_identity_refuses_is_reported_and_the_others_arrive(shop: Up, tmp_path: Path) -> None:
    known, new, other = phone(), phone(), phone()
    _imported(shop, write_csv(tmp_path / "a.csv", [(FUEL, known, "", "")]))
    (member_id,) = await members(shop, [(FUEL, known)])
    async with connect(suite_file=shop.data) as client:
        await client.identity.SuspendMember(pb.SuspendMemberRequest(member_id=member_id, cause="fraud"))
    rows = [(FOOD, new, "", "a"), (FUEL, known, "", "a"), (FUEL, other, "", "")]
    file = write_csv(tmp_path / "b.csv", rows)
    done = shop.run("import", "accounts", str(file), "--output", "json")
    assert done.returncode == 1, done.stderr
    assert read_report(file) == [(1, "external_id", "MEMBER_SUSPENDED")]
    assert await members(shop, [(FUEL, other)]) != [""]


async def test_parquet_is_read_as_csv_is(shop: Up, tmp_path: Path) -> None:
    one, two = phone(), phone()
    columns = {"domain": [FUEL, FOOD], "external_id": [one, two], "verified": [True, None], "person": [7, 7]}
    file = tmp_path / "accounts.parquet"
    parquet.write_table(pyarrow.table(columns), file)
    assert figures(_imported(shop, file)["after"]["all"]) == {"rows": 2, "new_members": 1, "linked": 1, "found": 2}
    first, second = await members(shop, [(FUEL, one), (FOOD, two)])
    assert first == second


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"+86 138 0000,fuel\n", "no header"),
        (b"domain;external_id\nfuel;0000\n", "parted by commas"),
        ("domain,external_id\nfuel,0000\n".encode("utf-16"), "in UTF-8"),
        (b"domain,verified\n", "external_id is missing"),
        (b"domain,external_id,colour\n", "'colour' is not known"),
        (b"domain,external_id,domain\n", "2 columns 'domain'"),
        (b"domain,external_id,attr.Big\n", "'Big' is no name of an attribute"),
        (b'domain,external_id\nfuel,1\nfuel,"2\nfuel,3\n', "a.csv: what follows row 1 is no CSV"),
        (b"domain,external_id\nfuel," + b"0" * 140_000 + b"\n", "a.csv: what follows row 0 is no CSV"),
        (b"PAR1 and more", "no Parquet"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(shop: Up, tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    done = shop.run("import", "accounts", str(file))
    assert done.returncode == 1
    assert said in done.stderr
    assert "0000" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_file_and_a_column_of_another_type_are_named(shop: Up, tmp_path: Path) -> None:
    missing = shop.run("import", "accounts", str(tmp_path / "none.csv"))
    assert (missing.returncode, "No such file" in missing.stderr) == (1, True)
    file = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"domain": ["x"], "external_id": [1.5]}), file)
    assert "external_id is of the type double" in shop.run("import", "accounts", str(file)).stderr
