"""The methods of the contract about merges."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from services.chassis import idempotency, ids, replies
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.errors import CODE_NUMBERS, Refused
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.chassis.verdicts import Verdict
from services.identity import errors as identity_errors
from services.identity.merges import commands, errors, queries, wire
from services.identity.merges.commands import MergeCommand
from services.identity.merges.making import Making
from services.identity.merges.values import MERGE
from services.identity.neighbours import Neighbours
from services.identity.people import People
from services.identity.values import ACCOUNT, MEMBER, Account, Config
from tessera.identity.v1 import merge_pb2 as pb
from tessera.records.v1 import member_records_pb2 as records_pb

DEFAULT_PAGE = 100
PREVIEW = "preview"
"""The cause of what is never done."""
TRIES = 5
"""How often a command begins anew because somebody concerned changed at the same time."""
_CHANGED = CODE_NUMBERS[identity_errors.ACCOUNTS_CHANGED.code]
NO_ID = UUID(int=0)
"""Before every ID."""


class MergeMethods:
    """The methods of the contract about merges."""

    def __init__(self, platform: Platform[Config], people: People, neighbours: Neighbours) -> None:
        self._on = platform
        self._persons = people
        self._making = Making(platform.pool, platform.settings.partitions, people)
        self._neighbours = neighbours

    async def MergeMembers(self, request: pb.MergeMembersRequest, call: Call) -> Serialised:
        """Two become one."""
        survivor_id, merged_id = _member(request.survivor_id), _member(request.merged_id)
        cause, validate_only = request.cause, request.validate_only
        identified = idempotency.identify(call.caller.name, "identity.MergeMembers", request)

        async def command() -> MergeCommand:
            return await self._making.merging(
                identified, survivor_id, survivor_id, merged_id, cause, call.caller.name, validate_only=validate_only
            )

        return replies.unary_reply(await self._until_all_stand_still(command, call))

    async def PreviewMerge(self, request: pb.PreviewMergeRequest, call: Call) -> pb.PreviewMergeResponse:
        """What merging would do, here and elsewhere."""
        await self._on.at_least.wait(request.at_least, call)
        survivor_id, merged_id = _member(request.survivor_id), _member(request.merged_id)
        unused = idempotency.identify_body(call.caller.name, call.method, "", b"")
        command = await self._making.merging(
            unused, survivor_id, survivor_id, merged_id, PREVIEW, call.caller.name, validate_only=True
        )
        reply = replies.unary_reply(await self._outcome(command, call))
        merge = pb.MergeMembersResponse.FromString(reply.answer).merge
        asked = records_pb.PreviewMergeRequest(
            survivor_id=merge.survivor_id, merged_id=merge.merged_id, at_least=request.at_least
        )
        answers = await self._neighbours.ask(lambda stub: stub.PreviewMerge(asked, **self._neighbours.options(call)))
        merged = await self._persons.meant(merged_id)
        accounts = [] if merged is None else await self._persons.accounts(merged)
        return pb.PreviewMergeResponse(services=[_own_preview(accounts, merge.account_ids), *_previews(answers)])

    async def UnmergeMember(self, request: pb.UnmergeMemberRequest, call: Call) -> Serialised:
        """One becomes two again. The other services are asked first whether something stands in the way."""
        merge_id, account_ids = _merge(request.merge_id), _accounts(request.account_ids)
        cause, validate_only = request.cause, request.validate_only
        request.account_ids.sort()
        identified = idempotency.identify(call.caller.name, "identity.UnmergeMember", request)

        async def command() -> commands.UnmergeMember:
            return await self._making.unmerging(
                identified, merge_id, account_ids, cause, call.caller.name, validate_only=validate_only
            )

        first = await command()
        for service, answer in (await self._ask_unmerge(first, call)).items():
            for blocker in answer.blockers:
                details = " ".join(f"{name}={value}" for name, value in sorted(blocker.details.items()))
                raise Refused(errors.unmerge_blocked(service, blocker.code, details))
        return replies.unary_reply(await self._until_all_stand_still(command, call))

    async def PreviewUnmerge(self, request: pb.PreviewUnmergeRequest, call: Call) -> pb.PreviewUnmergeResponse:
        """What unmerging would do, here and elsewhere."""
        await self._on.at_least.wait(request.at_least, call)
        unused = idempotency.identify_body(call.caller.name, call.method, "", b"")
        merge_id, account_ids = _merge(request.merge_id), _accounts(request.account_ids)
        command = await self._making.unmerging(
            unused, merge_id, account_ids, PREVIEW, call.caller.name, validate_only=True
        )
        reply = replies.unary_reply(await self._outcome(command, call))
        unmerge = pb.UnmergeMemberResponse.FromString(reply.answer).unmerge
        answers = await self._ask_unmerge(command, call) if unmerge.member_id else {}
        holder = (await self._persons.find([command.holder_id]))[command.holder_id]
        accounts = await self._persons.accounts(holder)
        return pb.PreviewUnmergeResponse(services=[_own_preview(accounts, unmerge.account_ids), *_previews(answers)])

    async def ListMerges(self, request: pb.ListMergesRequest, call: Call) -> pb.ListMergesResponse:
        """The merges of a member, by ID, which is by time."""
        await self._on.at_least.wait(request.at_least, call)
        member_id = _member(request.member_id)
        if not await self._persons.find([member_id]):
            raise Refused(identity_errors.MEMBER_UNKNOWN)
        tokens = self._on.page_tokens
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        size, place = request.page_size or DEFAULT_PAGE, self._partition(member_id)
        after = UUID(str(cursor[0])) if cursor else NO_ID
        found = await queries.page_of_merges(self._on.pool, place, member_id, after, size + 1)
        page = found[:size]
        unmerges = await queries.unmerges_of(self._on.pool, place, member_id, [merge.merge_id for merge in page])
        response = pb.ListMergesResponse(
            merges=[wire.merge_message(one, [u for u in unmerges if u.merge_id == one.merge_id]) for one in page]
        )
        if len(found) > size:
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, (str(page[-1].merge_id),))
        return response

    async def _ask_unmerge(
        self, command: commands.UnmergeMember, call: Call
    ) -> dict[str, records_pb.PreviewUnmergeResponse]:
        """What an unmerge would do in the other services: they are asked when they have followed us so far."""
        going = command.account_ids or command.left
        asked = records_pb.PreviewUnmergeRequest(
            merge_id=ids.encode(MERGE, command.merge_id),
            holder_id=ids.encode(MEMBER, command.holder_id),
            member_id=ids.encode(MEMBER, command.member_id),
            absorbed_ids=[ids.encode(MEMBER, one) for one in sorted(command.concerned.absorbed)],
            account_ids=[ids.encode(ACCOUNT, one) for one in sorted(going)],
            whole=not command.account_ids,
        )
        return await self._neighbours.ask(lambda stub: stub.PreviewUnmerge(asked, **self._neighbours.options(call)))

    async def _until_all_stand_still(self, command: Callable[[], Awaitable[MergeCommand]], call: Call) -> Outcome:
        """Submit a command, made anew when somebody changed between its making and the locks."""
        for _ in range(TRIES):
            outcome = await self._outcome(await command(), call)
            if not (
                isinstance(outcome, Verdict) and outcome.code == CODE_NUMBERS[identity_errors.ACCOUNTS_CHANGED.code]
            ):
                break
        return outcome

    async def _outcome(self, command: MergeCommand, call: Call) -> Outcome:
        (outcome,) = await self._on.lanes.submit((command,), deadline=call.deadline, traceparent=current_traceparent())
        return outcome

    def _partition(self, owner_id: UUID) -> int:
        return partition_of(owner_id, self._on.settings.partitions)


def _own_preview(accounts: Iterable[Account], account_ids: Iterable[str]) -> pb.ServicePreview:
    """What becomes of accounts in identity itself."""
    domains = {ids.encode(ACCOUNT, account.account_id): account.domain for account in accounts}
    return pb.ServicePreview(
        service="identity",
        effects=[
            records_pb.Effect(
                code="ACCOUNT_MOVES", details={"account_id": account_id, "domain": domains.get(account_id, "")}
            )
            for account_id in account_ids
        ],
    )


def _previews(answers: Mapping[str, Any]) -> list[pb.ServicePreview]:
    return [
        pb.ServicePreview(service=service, effects=answer.effects, blockers=answer.blockers)
        for service, answer in answers.items()
    ]


def _member(member_id: str) -> UUID:
    return ids.decode(MEMBER, member_id)


def _merge(merge_id: str) -> UUID:
    return ids.decode(MERGE, merge_id)


def _accounts(account_ids: Iterable[str]) -> frozenset[UUID]:
    return frozenset(ids.decode(ACCOUNT, account_id) for account_id in account_ids)
