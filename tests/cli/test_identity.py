"""`tessera identity` tells what a policy would do, and brings members under those in force."""

import asyncio
from pathlib import Path

import pytest

import tessera
from tessera.identity.v1 import identifier_pb2, identity_service_pb2
from tests.cli.command import Up

PACK = """
kind: programme
code: stitched
programme: stitched
spec: {name: Shop, time_zone: UTC, currency: USD}
---
kind: domain
code: stitched-shop
programme: stitched
spec: {name: Shop, owner: shop-team}
---
kind: identifier-type
code: stitched-email
programme: stitched
spec: {name: E-mail, normaliser: email, strength: proof}
"""
POLICY = """
kind: match-policy
code: one-person
programme: stitched
spec:
  name: One person
  weights:
    stitched-email: {proof: 100}
  merge_from: 100
"""


async def enrol_two(up: Up) -> list[str]:
    """Two members who have verified the same address."""
    members = []
    async with tessera.connect(suite_file=up.data) as client:
        for number in range(2):
            resolving = identity_service_pb2.ResolveAccountRequest(
                request_id=f"stitched-{number}",
                domain="stitched-shop",
                external_id=f"stitched-{number}",
                create_missing=True,
            )
            members.append((await client.identity.ResolveAccount(resolving)).member_id)
            adding = identifier_pb2.AddIdentifierRequest(
                request_id=f"stitched-email-{number}",
                member_id=members[-1],
                type="stitched-email",
                value="ann@example.org",
                verified=True,
            )
            await client.identity.AddIdentifier(adding)
    return members


@pytest.fixture(scope="module")
def members(up: Up, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    pack = tmp_path_factory.mktemp("pack")
    (pack / "pack.yaml").write_text(PACK)
    up.json("apply", "-f", str(pack))
    return asyncio.run(enrol_two(up))


def test_what_a_policy_would_do_is_shown_and_done_by_nobody(up: Up, members: list[str], tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    for _ in range(2):
        told = up.json("identity", "simulate", str(file))
        assert (told["pairs"], told["merged"], told["members"] - told["members_remaining"]) == (1, 1, 1)
        (pair,) = told["samples"]
        assert {pair["member_id"], pair["other_id"]} == set(members)
    shown = up.run("identity", "simulate", str(file)).stdout
    assert "would be merged" in shown
    assert f"Of {told['members']:,} members {told['members_remaining']:,} would remain." in shown


def test_members_are_brought_under_the_policies_in_force(up: Up, members: list[str]) -> None:
    assert up.json("identity", "evaluate")["pairs"] == len(members) - 1


def test_a_policy_with_a_mistake_is_refused_with_its_place(up: Up, members: list[str], tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.replace("merge_from: 100", "merge_from: 200"))
    refused = up.run("identity", "simulate", str(file))
    assert refused.returncode == 1
    assert "policy.yaml:1 (match-policy/one-person): merge_from:" in refused.stderr
    file.write_text(PACK)
    refused = up.run("identity", "simulate", str(file))
    assert "must have one document of the kind match-policy, and has 0" in refused.stderr
