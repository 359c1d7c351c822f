"""`tessera run grocer` and `tessera replay grocer`: a slice of the year comes to what it must, whatever happens."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tessera import Error, connect
from tessera.clock.v1.clock_service_pb2 import AdvanceClockRequest
from tessera.identity.v1.identity_service_pb2 import ResolveAccountRequest
from tessera.replay.part import Part
from tests.cli.command import SERVING, Up, started
from tests.cli.disturbed import live_disturbed
from tests.programmes import grocer_reference

PART = Part(households=40, first_day=date(2017, 3, 1), last_day=date(2017, 4, 29))
SLICE = ("--households", "40", "--from", "2017-03-01", "--to", "2017-04-29")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A suite that has lived through the slice, and serves on."""
    with started(tmp_path_factory.mktemp("lived"), *SLICE, command=("run", "grocer")) as suite:
        suite.read_until("keeps serving")
        yield suite


def _figures(suite: Up) -> dict[str, Any]:
    answer = suite.json("replay", "grocer", *SLICE)
    assert all(proof["findings"] == [] for proof in answer["proofs"])
    figures: dict[str, Any] = answer["figures"]
    return figures


def test_the_slice_comes_to_what_was_reckoned_without_any_service(lived: Up) -> None:
    expected = grocer_reference.totals(PART.households, PART.first_day, PART.last_day)
    figures = _figures(lived)
    assert {name: figures[name] for name in ("households", "accounts", "activities", "lines", "rises", "falls")} == {
        "households": expected.households,
        "accounts": expected.accounts,
        "activities": expected.activities,
        "lines": expected.lines,
        "rises": expected.rises,
        "falls": expected.falls,
    }
    assert figures["points_earned"] == expected.earned_purchase + expected.earned_dairy
    assert figures["points_spent"] == expected.spent
    assert figures["points_expired"] == expected.expired
    assert figures["points_outstanding"] == expected.outstanding
    assert figures["members_by_level"] == {level: expected.members_by_level[level] for level in grocer_reference.LEVELS}
    assert figures["refusals"] == {"fuel discount: INSUFFICIENT_POINTS": expected.fuel_refused}


def test_the_summary_lists_figures_and_proofs(lived: Up) -> None:
    said = "".join(lived.said)
    for line in ("households", "points earned", "ledger verified", "liability = lots", "feeds drained"):
        assert line in said
    assert "does not hold" not in said


def test_replaying_again_doubles_nothing(lived: Up) -> None:
    assert _figures(lived) == _figures(lived)


def test_another_slice_needs_another_suite(lived: Up) -> None:
    done = lived.run("replay", "grocer", "--households", "41")
    assert done.returncode == 1
    assert "has replayed the first 40 households" in done.stderr


@pytest.mark.reliability
def test_a_suite_on_the_real_clock_is_refused(tmp_path: Path) -> None:
    with started(tmp_path) as suite:
        suite.read_until(SERVING)
        done = suite.run("replay", "grocer", *SLICE)
    assert done.returncode == 1
    assert "lives by the real clock" in done.stderr


def test_the_page_of_a_member_shows_what_all_services_know(lived: Up) -> None:
    household = PART.load().accounts[0]
    page = lived.json("member", "show", f"{household.domain}:{household.household}")
    assert page["member"]["status"] == "MEMBER_STATUS_ACTIVE"
    assert household.domain in [account["domain"] for account in page["member"]["accounts"]]
    assert [standing["ladder"] for standing in page["standings"]] == ["shopper"]
    assert {balance["unit"] for balance in page["balances"]} == {"points", "score"}
    assert 0 < len(page["last_entries"]) <= 10
    shown = lived.run("member", "show", f"{household.domain}:{household.household}").stdout
    for word in ("Accounts", "Standing", "Balances", "Entitlements", "Last entries", "New_York"):
        assert word in shown


def test_an_unknown_member_is_said_in_words(lived: Up) -> None:
    done = lived.run("member", "show", "grocery:nobody")
    assert done.returncode == 1
    assert "ACCOUNT_UNKNOWN" in done.stderr
    assert "Traceback" not in done.stderr


def test_everything_can_be_proven(lived: Up) -> None:
    proofs = lived.json("verify")
    assert [proof["proof"] for proof in proofs] == [
        "feeds drained",
        "ledger verified",
        "identity's chain whole",
        "points's chain whole",
        "tiers's chain whole",
        "benefits's chain whole",
        "liability = lots",
    ]
    assert all(proof["findings"] == [] for proof in proofs)


async def test_the_token_of_a_caller_lets_it_do_what_the_policy_says(lived: Up) -> None:
    token = lived.run("token", "fuel").stdout.strip()
    async with connect(suite_file=lived.data, token=token) as client:
        enrol = ResolveAccountRequest(domain="fuel", external_id="new", create_missing=True, validate_only=True)
        await client.identity.ResolveAccount(enrol)
        enrol.domain = "travel"
        with pytest.raises(Error, match="DOMAIN_NOT_ALLOWED"):
            await client.identity.ResolveAccount(enrol)
        with pytest.raises(Error, match="PERMISSION_MISSING"):
            await client.clock("points").AdvanceClock(AdvanceClockRequest())


def test_a_caller_that_the_policy_does_not_name_gets_no_token(lived: Up) -> None:
    done = lived.run("token", "stranger")
    assert done.returncode == 1
    assert "names no caller stranger" in done.stderr


@pytest.mark.reliability
async def test_killed_services_and_interruptions_change_no_figure(lived: Up, tmp_path: Path) -> None:
    """Each service is killed once in the middle of a day, and the replay itself is stopped twice."""
    kills = {10: "points", 20: "tiers", 30: "benefits", 40: "identity"}
    with started(tmp_path, "--clock", "virtual", "--virtual-clock-start", PART.start) as suite:
        suite.read_until(SERVING)
        figures, findings = await live_disturbed(suite, PART, kills, {15, 35})
    assert findings == []
    assert figures == _figures(lived)
