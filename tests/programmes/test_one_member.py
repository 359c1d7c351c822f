"""Two members that are found to be one person, and part again, over all four services."""

from typing import Any

from services.benefits.values import EntitlementState
from tessera.benefits.v1 import benefits_service_pb2 as benefits_pb
from tessera.identity.v1 import merge_pb2
from tessera.tiers.v1 import tiers_service_pb2 as tiers_pb
from tests.benefits.builders import NOON
from tests.benefits.test_suite import buy, check, club, enrol, use
from tests.identity.merging import merge, unmerge
from tests.support.suite import Suite


async def stands(suite: Suite, *guests: Any) -> list[tuple[str, int]]:
    """Level and score of guests."""
    requests = [tiers_pb.GetStandingRequest(member_id=guest.member_id) for guest in guests]
    answer = await suite.tiers.BulkGetStandings(tiers_pb.BulkGetStandingsRequest(requests=requests))
    return [(one.response.standings[0].level, one.response.standings[0].score) for one in answer.results]


async def gifts(suite: Suite, guest: Any) -> list[tuple[str, str]]:
    """The references and the states of the gifts that a guest has."""
    request = benefits_pb.ListEntitlementsRequest(member_id=guest.member_id, benefit="gift", include_closed=True)
    found = (await suite.benefits.ListEntitlements(request)).entitlements
    return sorted((one.reference, EntitlementState(one.state).name) for one in found)


async def test_all_services_follow_a_merge_and_its_undoing_as_they_told_it_before() -> None:
    async with club() as suite:
        survivor, merged = await enrol(suite, "one"), await enrol(suite, "other")
        for guest in (survivor, merged):
            await buy(suite, guest, 20_000, NOON)
        await suite.drain()
        assert await stands(suite, survivor, merged) == [("silver", 20_000)] * 2
        request = merge_pb2.PreviewMergeRequest(survivor_id=survivor.member_id, merged_id=merged.member_id)
        told = {service.service: service for service in (await suite.identity.PreviewMerge(request)).services}
        assert list(told) == ["identity", "points", "tiers", "benefits"]
        assert not any(service.blockers for service in told.values())
        codes = {name: [effect.code for effect in service.effects] for name, service in told.items()}
        assert codes["points"] == ["WALLETS_UNITED"]
        assert codes["tiers"] == ["SCORE_UNITED", "LEVEL_CHANGED"]
        assert codes["benefits"] == ["ENTITLEMENTS_MOVE", "ENTITLEMENT_REVOKED"]

        made = await merge(suite, survivor.member_id, merged.member_id)
        await suite.drain()
        assert await stands(suite, survivor, merged) == [("gold", 40_000)] * 2
        assert await gifts(suite, merged) == [
            ("shopper:gold", "GRANTED"),
            ("shopper:silver", "GRANTED"),
            ("shopper:silver", "REVOKED"),
        ]
        used = await suite.benefits.Redeem(use(merged, "delivery", account_id=merged.account_id))
        assert used.uses_left == 3
        assert (await check(suite, survivor, "delivery")).uses_left == 3

        undo = merge_pb2.PreviewUnmergeRequest(merge_id=made.merge.merge_id)
        told = {service.service: service for service in (await suite.identity.PreviewUnmerge(undo)).services}
        assert not any(service.blockers for service in told.values())
        assert [effect.code for effect in told["tiers"].effects] == ["SCORE_GIVEN_BACK", "LEVEL_CHANGED", "LEVEL_KEPT"]
        await unmerge(suite, made.merge.merge_id)
        await suite.drain()
        assert await stands(suite, survivor, merged) == [("silver", 20_000)] * 2
        assert await gifts(suite, merged) == [("shopper:silver", "GRANTED")]
        assert (await check(suite, survivor, "delivery")).reason == "NOT_ELIGIBLE"
        await buy(suite, merged, 10_000, NOON)
        await suite.drain()
        assert await stands(suite, survivor, merged) == [("silver", 20_000), ("gold", 30_000)]
        assert (await check(suite, merged, "delivery")).uses_left == 3, "its use came through its account"
