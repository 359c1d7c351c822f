"""The methods of the contract about matches."""

from collections.abc import AsyncGenerator
from uuid import UUID

from services.chassis import idempotency, ids, replies
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.errors import CODE_NUMBERS, Refused
from services.chassis.idempotency import Request
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.chassis.verdicts import Verdict
from services.identity import errors as identity_errors
from services.identity.matches import errors, queries, wire
from services.identity.matches.commands import MergeMatch, SettleMatch
from services.identity.matches.making import MatchMaking
from services.identity.matches.population.evaluating import evaluate_all
from services.identity.matches.population.simulating import policy_given, simulate
from services.identity.matches.values import MATCH, Match, MatchStatus
from services.identity.merges.making import Making
from services.identity.people import People
from services.identity.privacy.rules import erasure_refusal
from services.identity.values import MEMBER, Config
from tessera.identity.v1 import match_pb2 as pb

DEFAULT_PAGE = 100
DEFAULT_SAMPLES = 10
NO_ID = UUID(int=0)
"""Before every ID."""
TRIES = 5
"""How often a merge begins anew because somebody concerned changed at the same time."""
CHANGED = CODE_NUMBERS[identity_errors.ACCOUNTS_CHANGED.code]
_SETTLED = {pb.MATCH_DECISION_REFUSE: MatchStatus.REFUSED, pb.MATCH_DECISION_LINK: MatchStatus.LINKED}


class MatchMethods:
    """The methods of the contract about matches."""

    def __init__(self, platform: Platform[Config], people: People) -> None:
        self._upon = platform
        self._met = people
        self._matchmaking = MatchMaking(people, Making(platform.pool, platform.settings.partitions, people))

    async def ListMatches(self, request: pb.ListMatchesRequest, call: Call) -> pb.ListMatchesResponse:
        """Matches of a member, or all of them partition by partition."""
        await self._upon.at_least.wait(request.at_least, call)
        tokens = self._upon.page_tokens
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        first, after = (0, NO_ID) if cursor is None else (int(cursor[0]), UUID(str(cursor[1])))
        size = request.page_size or DEFAULT_PAGE
        found = await (
            self._of_member(request, after, size + 1)
            if request.member_id
            else self._of_all(request, first, after, size + 1)
        )
        page = found[:size]
        response = pb.ListMatchesResponse(matches=map(wire.match_message, page))
        if len(found) > size:
            place = (partition_of(page[-1].match_id, self._upon.settings.partitions), str(page[-1].match_id))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def DecideMatch(self, request: pb.DecideMatchRequest, call: Call) -> Serialised:
        """Somebody says what the two are."""
        match_id = ids.decode(MATCH, request.match_id)
        decision, cause, validate_only = request.decision, request.cause, request.validate_only
        identified = idempotency.identify(call.caller.name, "identity.DecideMatch", request)
        place = partition_of(match_id, self._upon.settings.partitions)
        match = await queries.find_match(self._upon.pool, place, match_id)
        if match is None:
            raise Refused(errors.MATCH_UNKNOWN)
        if decision == pb.MATCH_DECISION_MERGE:
            return await self._merge(match, identified, cause, call, validate_only=validate_only)
        settling = SettleMatch(
            request=identified,
            match_id=match_id,
            member_id=match.member_id,
            other_id=match.other_id,
            status=_SETTLED[decision],
            cause=cause,
            caller=call.caller.name,
            validate_only=validate_only,
        )
        return replies.unary_reply(await self._submitted(settling, call))

    async def SimulateMatchPolicy(
        self, request: pb.SimulateMatchPolicyRequest, call: Call
    ) -> AsyncGenerator[pb.SimulateMatchPolicyResponse, None]:
        """What a policy would do."""
        config, policy = await policy_given(self._upon, request.policy)
        async for answer in simulate(self._upon, config, policy, request.samples or DEFAULT_SAMPLES):
            yield answer

    async def EvaluateMatches(
        self, request: pb.EvaluateMatchesRequest, call: Call
    ) -> AsyncGenerator[pb.EvaluateMatchesResponse, None]:
        """Everybody under the policies in force."""
        async for answer in evaluate_all(self._upon):
            yield answer

    async def _merge(
        self, match: Match, identified: Request, cause: str, call: Call, *, validate_only: bool
    ) -> Serialised:
        """Submit a merge, made anew when somebody changed between its making and the locks."""
        for _ in range(TRIES):
            command = await self._matchmaking.merging(
                match, identified, cause, call.caller.name, validate_only=validate_only
            )
            outcome = await self._submitted(command, call)
            if not (isinstance(outcome, Verdict) and outcome.code == CHANGED):
                break
        return replies.unary_reply(outcome)

    async def _of_member(self, request: pb.ListMatchesRequest, after: UUID, limit: int) -> list[Match]:
        member = await self._met.meant(ids.decode(MEMBER, request.member_id))
        refusal = erasure_refusal(member)
        if refusal is not None or member is None:
            raise Refused(refusal or identity_errors.MEMBER_UNKNOWN)
        keepers = {member.member_id, *(one.member_id for one in await self._met.merged_into(member))}
        places = {partition_of(one, self._upon.settings.partitions) for one in keepers}
        return await queries.page_of_members_matches(
            self._upon.pool, places, keepers, after, limit, request.policy, request.status
        )

    async def _of_all(self, request: pb.ListMatchesRequest, first: int, after: UUID, limit: int) -> list[Match]:
        matches: list[Match] = []
        for partition in range(first, self._upon.settings.partitions):
            missing = limit - len(matches)
            matches += await queries.page_of_matches(
                self._upon.pool, partition, after, missing, request.policy, request.status
            )
            if len(matches) == limit:
                break
            after = NO_ID
        return matches

    async def _submitted(self, command: MergeMatch | SettleMatch, call: Call) -> Outcome:
        (outcome,) = await self._upon.lanes.submit(
            (command,), deadline=call.deadline, traceparent=current_traceparent()
        )
        return outcome
