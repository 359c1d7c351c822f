"""The whole year with services killed and the replay stopped: exactly the figures of the README, on both transports."""

from pathlib import Path

import pytest

from tessera.replay.part import Part
from tests.cli.command import SERVING, started
from tests.cli.disturbed import live_disturbed

YEAR = Part()
FIGURES = {
    "households": 2_469,
    "accounts": 9_602,
    "baskets": 155_848,
    "activities": 225_898,
    "lines": 1_469_307,
    "lines_with_quantity_zero": 8_869,
    "lines_with_amount_zero": 11_226,
    "lines_with_amount_below_half_a_cent": 20,
    "lines_with_unknown_product": 4_836,
    "fuel_lines": 12_997,
    "points_earned": 8_110_353,
    "points_spent": 1_188_200,
    "points_expired": 6_152_603,
    "points_outstanding": 769_550,
    "members_by_level": {"bronze": 628, "silver": 633, "gold": 524, "platinum": 684},
    "rises": 9_296,
    "falls": 5_566,
    "coupons_sent": 6_589,
    "coupons_redeemed": 2_102,
    "entitlements_issued": 11_659,
    "redemptions": 2_102,
    "refusals": {"fuel discount: INSUFFICIENT_POINTS": 1_115},
}
KILLS = {30: "points", 90: "tiers", 150: "benefits", 210: "identity", 270: "points", 330: "tiers"}
STOPS = {60, 240}


@pytest.mark.reliability
@pytest.mark.parametrize("transport", ["grpcio", "native"])
async def test_killed_services_and_a_stopped_replay_change_no_figure(tmp_path: Path, transport: str) -> None:
    clock = ("--clock", "virtual", "--virtual-clock-start", YEAR.start)
    with started(tmp_path, *clock, "--transport", transport) as suite:
        suite.read_until(SERVING)
        figures, findings = await live_disturbed(suite, YEAR, KILLS, STOPS)
    assert findings == []
    assert {name: figures[name] for name in FIGURES} == FIGURES
