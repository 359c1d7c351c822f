"""What a year came to: counted by the services, compared with what was sent, and proven."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tessera.benefits.v1 import benefits_service_pb2
from tessera.client import Client
from tessera.grocer import Year
from tessera.points.v1 import points_service_pb2
from tessera.proofs import Proof, prove_drained, prove_ledger, prove_liability
from tessera.replay.notes import Notes
from tessera.tiers.v1 import tiers_service_pb2

UNIT = "points"
LADDER = "shopper"


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a year; the same in every run."""

    households: int
    accounts: int
    baskets: int
    activities: int
    lines: int
    lines_with_quantity_zero: int
    lines_with_amount_zero: int
    lines_with_amount_below_half_a_cent: int
    lines_with_unknown_product: int
    fuel_lines: int
    points_earned: int
    points_spent: int
    points_expired: int
    points_outstanding: int
    members_by_level: dict[str, int]
    rises: int
    falls: int
    coupons_sent: int
    coupons_redeemed: int
    entitlements_issued: int
    redemptions: int
    refusals: dict[str, int]


async def summarise(client: Client, year: Year, notes: Notes) -> Summary:
    """Asks the services; what was sent comes from the year."""
    ledger, ladders, benefits = await asyncio.gather(
        client.points.GetLedgerSummary(points_service_pb2.GetLedgerSummaryRequest()),
        client.tiers.GetLadderSummary(tiers_service_pb2.GetLadderSummaryRequest(ladder=LADDER)),
        client.benefits.GetBenefitSummary(benefits_service_pb2.GetBenefitSummaryRequest()),
    )
    nothing = points_service_pb2.GetLedgerSummaryResponse.UnitSummary(unit=UNIT)
    unit = next((unit for unit in ledger.units if unit.unit == UNIT), nothing)
    ladder = ladders.ladders[0]
    campaigns = {campaign.code for campaign in year.campaigns}
    coupons = [benefit for benefit in benefits.benefits if benefit.benefit in campaigns]
    return Summary(
        households=len({account.household for account in year.accounts}),
        accounts=len(year.accounts),
        baskets=year.tally.baskets,
        activities=ledger.activities,
        lines=ledger.lines,
        lines_with_quantity_zero=year.tally.quantity_zero,
        lines_with_amount_zero=year.tally.amount_zero,
        lines_with_amount_below_half_a_cent=year.tally.amount_below_half_a_cent,
        lines_with_unknown_product=year.tally.product_unknown,
        fuel_lines=year.tally.fuel,
        points_earned=unit.earned,
        points_spent=unit.spent,
        points_expired=unit.expired,
        points_outstanding=unit.outstanding,
        members_by_level={level.level: level.members for level in ladder.levels},
        rises=ladder.rises,
        falls=ladder.falls,
        coupons_sent=sum(benefit.issued for benefit in coupons),
        coupons_redeemed=sum(benefit.redeemed for benefit in coupons),
        entitlements_issued=sum(benefit.issued for benefit in benefits.benefits),
        redemptions=sum(benefit.redeemed for benefit in benefits.benefits),
        refusals=dict(sorted(notes.refusals.items())),
    )


async def prove(client: Client, year: Year, summary: Summary) -> list[Proof]:
    """The proofs that a year ends with."""
    drained, ledger, liability = await asyncio.gather(
        prove_drained(client), prove_ledger(client), prove_liability(client)
    )
    return [_prove_complete(year, summary), ledger, liability, drained]


def _prove_complete(year: Year, summary: Summary) -> Proof:
    """Everything that was sent is recorded, or was refused."""
    refused = sum(count for what, count in summary.refusals.items() if what.startswith("activity"))
    findings = []
    if summary.activities + refused != len(year.activities):
        findings.append(
            f"{len(year.activities):,} activities sent, {summary.activities:,} recorded, {refused:,} refused"
        )
    if not refused and summary.lines != len(year.line_numbers):
        findings.append(f"{len(year.line_numbers):,} lines sent, {summary.lines:,} recorded")
    return Proof("all recorded", f"{len(year.activities):,} activities", tuple(findings))


def as_json(summary: Summary, proofs: list[Proof], seconds: float) -> Mapping[str, Any]:
    """The same for machines."""
    return {
        "figures": asdict(summary),
        "proofs": [{"proof": p.name, "subject": p.subject, "findings": p.findings} for p in proofs],
        "seconds": round(seconds, 1),
    }
