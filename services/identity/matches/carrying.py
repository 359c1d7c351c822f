"""How matches that a policy merges are merged: after they are noted, by the same command as merges by hand.

A match says that it is to be merged until that is done, so whatever crashes in between, it is done in the end, and
once. What stands in the way in another service leaves it for somebody to decide.
"""

import asyncio
from collections.abc import Collection
from dataclasses import replace

import structlog

from services.chassis import idempotency, ids
from services.chassis.app import Platform
from services.chassis.errors import CODE_NUMBERS, Refused, from_status
from services.chassis.verdicts import OK
from services.identity import errors as identity_errors
from services.identity.matches import queries
from services.identity.matches.making import MatchMaking
from services.identity.matches.values import Match
from services.identity.merges.commands import MergeMembers
from services.identity.merges.making import Making
from services.identity.neighbours import Neighbours
from services.identity.people import People
from services.identity.values import MEMBER, Config
from tessera.records.v1 import member_records_pb2 as records_pb

CALLER = "identity"
CAUSE = "match-policy"
MAX_MATCHES = 100
"""That are read together; each is a transaction of its own."""
INTERVAL_S = 0.5
WAIT_S = 5.0
"""After something failed, a neighbour that does not answer for one."""
ASK_TIMEOUT_S = 10.0
TRIES = 5
"""How often a merge begins anew because somebody concerned changed at the same time."""
_CHANGED = CODE_NUMBERS[identity_errors.ACCOUNTS_CHANGED.code]
_LOG = structlog.stdlib.get_logger(__name__)


async def carry_out_always(platform: Platform[Config], neighbours: Neighbours) -> None:
    """Merge what is to be merged, until cancelled."""
    carrying = Carrying(platform, neighbours)
    while True:
        wait_s = INTERVAL_S
        try:
            await carrying.carry_out()
        except Refused as error:
            _LOG.warning("matches wait to be merged", reason=error.rejection.reason)
            wait_s = WAIT_S
        except Exception:
            _LOG.exception("matches could not be merged; it is tried again")
            wait_s = WAIT_S
        await asyncio.sleep(wait_s)


class Carrying:
    """Merges what policies say."""

    def __init__(self, platform: Platform[Config], neighbours: Neighbours) -> None:
        partitions = platform.settings.partitions
        people = People(platform.pool, partitions)
        self._platform = platform
        self._partitions = range(partitions)
        self._neighbours = neighbours
        self._making = MatchMaking(people, Making(platform.pool, partitions, people))

    async def carry_out(self) -> None:
        """Merge all that is to be merged now, one after the other. Safe to do by several processes at once."""
        tried: set[str] = set()
        while matches := await self._to_be_merged(tried):
            for match in matches:
                tried.add(_said_by(match))
                await self._merge(match)

    async def _to_be_merged(self, tried: Collection[str]) -> list[Match]:
        found = await queries.to_be_merged(self._platform.pool, self._partitions, MAX_MATCHES)
        return [match for match in found if _said_by(match) not in tried]

    async def _merge(self, match: Match) -> None:
        """The request is known by what the match says, so two processes merge it once."""
        identified = idempotency.identify_body(CALLER, "identity.CarryOutMatch", _said_by(match), b"")
        for _ in range(TRIES):
            command = await self._making.carrying_out(match, identified, CAUSE, CALLER)
            command = replace(command, blocker=await self._blocker(command))
            verdict = await self._platform.lanes.one(command)
            if verdict.code == OK:
                return
            if verdict.code != _CHANGED:
                break
        raise Refused(from_status(verdict.status()))

    async def _blocker(self, command: MergeMembers) -> str:
        """What stands in the way in another service; empty when nothing does."""
        asked = records_pb.PreviewMergeRequest(
            survivor_id=ids.encode(MEMBER, command.survivor_id), merged_id=ids.encode(MEMBER, command.merged_id)
        )
        options = self._neighbours.options_within(ASK_TIMEOUT_S)
        answers = await self._neighbours.ask(lambda stub: stub.PreviewMerge(asked, **options))
        blockers = (f"{service}:{one.code}" for service, answer in answers.items() for one in answer.blockers)
        return next(blockers, "")


def _said_by(match: Match) -> str:
    return f"{match.match_id} {match.changed_at.isoformat()}"
