"""Requests and answers about matches, in the words of the domain."""

from typing import Any

from services.identity.matches.carrying import Carrying
from services.identity.neighbours import Neighbours
from tessera.identity.v1 import match_pb2 as pb
from tests.identity.builders import enrol, request_id
from tests.support.suite import Suite

OPEN, MERGED, REFUSED = pb.MATCH_STATUS_OPEN, pb.MATCH_STATUS_MERGED, pb.MATCH_STATUS_REFUSED
LINKED, MERGING, LAPSED = pb.MATCH_STATUS_LINKED, pb.MATCH_STATUS_MERGING, pb.MATCH_STATUS_LAPSED
MERGE, REFUSE, LINK = pb.MATCH_DECISION_MERGE, pb.MATCH_DECISION_REFUSE, pb.MATCH_DECISION_LINK

WEIGHTS = {
    "email": {"proof": 100, "evidence": 40},
    "phone": {"proof": 100, "evidence": 40},
    "person": {"proof": 100},
    "device": {"evidence": 30},
    "card": {"evidence": 40},
    "address": {"hint": 20},
}


def policy(code: str = "one-person", **spec: Any) -> dict[str, Any]:
    """A policy's document: merges from 100 on, reviews from 60, links from 20."""
    given = {"merge_from": 100, "review_from": 60, "link_from": 20, **spec}
    given = {name: value for name, value in given.items() if value is not None}
    return {
        "kind": "match-policy",
        "code": code,
        "programme": "shop",
        "spec": {"name": "One person", "weights": WEIGHTS, **given},
    }


async def members(suite: Suite, count: int = 2) -> list[str]:
    """New members, the oldest first."""
    return [str((await enrol(suite)).member_id) for _ in range(count)]


async def matches_of(suite: Suite, member_id: str = "", **fields: Any) -> list[Any]:
    """The matches of a member, or all."""
    answer = await suite.identity.ListMatches(pb.ListMatchesRequest(member_id=member_id, **fields))
    return list(answer.matches)


async def match_of(suite: Suite, member_id: str) -> Any:
    """The one match of a member."""
    (match,) = await matches_of(suite, member_id)
    return match


async def decide(suite: Suite, match_id: str, decision: Any, caller: str = "operator", **fields: Any) -> Any:
    """Decide a match."""
    fields.setdefault("request_id", request_id())
    fields.setdefault("cause", "looked-at")
    request = pb.DecideMatchRequest(match_id=match_id, decision=decision, **fields)
    return await suite.stub("identity", caller).DecideMatch(request)


async def carry_out(suite: Suite) -> None:
    """Merge what policies merge, also if nobody else does at this moment."""
    platform = suite.running["identity"].platform
    assert platform is not None
    settings = platform.settings
    await Carrying(platform, Neighbours(settings.neighbours, settings.feed_token_file, None)).carry_out()  # type: ignore[attr-defined]  # identity's own settings


async def evaluate(suite: Suite) -> Any:
    """Bring everybody under the policies in force; the last answer."""
    *_, last = [answer async for answer in suite.identity.EvaluateMatches(pb.EvaluateMatchesRequest())]
    assert last.done
    return last
