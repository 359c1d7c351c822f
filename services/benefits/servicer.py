"""Serves `tessera.benefits.v1.BenefitsService`: message → command → lane → reply."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from services.benefits import commands, errors, naming, reads, wire
from services.benefits.checks import Checks
from services.benefits.config import BenefitsConfig
from services.benefits.rules import member_refusal
from services.benefits.values import LIST, Counts
from services.chassis import idempotency, ids, replies
from services.chassis.access import require_domain
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.clock import from_microseconds, to_microseconds
from services.chassis.errors import Refused
from services.chassis.operations import Command
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from tessera.benefits.v1 import benefits_service_pb2 as pb

DEFAULT_PAGE = 100
_NEWEST = (datetime.max.replace(tzinfo=UTC), UUID(int=(1 << 128) - 1))
"""After every entitlement."""


class BenefitsServicer:
    """The methods of the contract."""

    def __init__(self, platform: Platform[BenefitsConfig]) -> None:
        self._platform = platform
        self._checks = Checks(platform)

    async def IssueEntitlement(self, request: pb.IssueEntitlementRequest, call: Call) -> Serialised:
        """One entitlement."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._reply(_issue(request, call), call)

    async def BulkIssueEntitlements(self, request: pb.BulkIssueEntitlementsRequest, call: Call) -> Serialised:
        """Many entitlements."""
        await self._platform.at_least.wait(request.at_least, call)
        return await replies.bulk_reply(
            request.requests,
            lambda item: _issue(item, call),
            lambda issues: self._submit(issues, call),
            wire.ERROR_DOMAIN,
        )

    async def CheckEntitlement(self, request: pb.CheckEntitlementRequest, call: Call) -> pb.CheckEntitlementResponse:
        """One question."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._checks.one(request)

    async def BulkCheckEntitlements(self, request: pb.BulkCheckEntitlementsRequest, call: Call) -> Serialised:
        """Many questions."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._checks.many(request.requests)

    async def ListEntitlements(self, request: pb.ListEntitlementsRequest, call: Call) -> pb.ListEntitlementsResponse:
        """A member's entitlements."""
        await self._platform.at_least.wait(request.at_least, call)
        tokens = self._platform.page_tokens
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        member_id = ids.decode(wire.MEMBER, request.member_id)
        partition = partition_of(member_id, self._platform.settings.partitions)
        member = await reads.member(self._platform.pool, partition, member_id)
        if member is not None and member.leads_to is not None:
            member_id = member.leads_to
            partition = partition_of(member_id, self._platform.settings.partitions)
        if member_refusal(member) is errors.MEMBER_UNKNOWN:
            raise Refused(errors.MEMBER_UNKNOWN)
        size = request.page_size or DEFAULT_PAGE
        now = await self._platform.clock.now()
        found = await reads.list_entitlements(
            self._platform.pool,
            partition,
            member_id,
            request.benefit,
            request.include_closed,
            now,
            _NEWEST if cursor is None else (_instant(int(cursor[0])), UUID(str(cursor[1]))),
            size + 1,
        )
        page = found[:size]
        response = pb.ListEntitlementsResponse(entitlements=[wire.entitlement_message(e, now) for e in page])
        if len(found) > size:
            place = (to_microseconds(page[-1].issued_at), str(page[-1].entitlement_id))
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def Redeem(self, request: pb.RedeemRequest, call: Call) -> Serialised:
        """One use."""
        await self._platform.at_least.wait(request.at_least, call)
        return await self._reply(_redeem(request, call), call)

    async def BulkRedeem(self, request: pb.BulkRedeemRequest, call: Call) -> Serialised:
        """Many uses."""
        await self._platform.at_least.wait(request.at_least, call)
        return await replies.bulk_reply(
            request.requests,
            lambda item: _redeem(item, call),
            lambda redeems: self._submit(redeems, call),
            wire.ERROR_DOMAIN,
        )

    async def ReverseRedemption(self, request: pb.ReverseRedemptionRequest, call: Call) -> Serialised:
        """A use taken back."""
        await self._platform.at_least.wait(request.at_least, call)
        validate_only = request.validate_only
        command = commands.ReverseRedemption(
            request=idempotency.identify(call.caller.name, "benefits.ReverseRedemption", request),
            redemption_id=ids.decode(wire.REDEMPTION, request.redemption_id),
            caller=call.caller,
            validate_only=validate_only,
        )
        return await self._reply(command, call)

    async def GetBenefitSummary(self, request: pb.GetBenefitSummaryRequest, call: Call) -> pb.GetBenefitSummaryResponse:
        """Counts of every benefit there is or was."""
        await self._platform.at_least.wait(request.at_least, call)
        _, config = await self._platform.configurations.current(self._platform.pool)
        counts = await reads.summary(self._platform.pool, await self._platform.clock.now())
        names = sorted(config.benefits.keys() | counts.keys())
        response = pb.GetBenefitSummaryResponse()
        for name in names:
            response.benefits.add(**counts.get(name, Counts(name))._asdict())
        return response

    async def _reply(self, command: Command, call: Call) -> Serialised:
        (outcome,) = await self._submit([command], call)
        return replies.unary_reply(outcome)

    async def _submit(self, given: Sequence[Command], call: Call) -> list[Outcome]:
        return await self._platform.lanes.submit(given, deadline=call.deadline, traceparent=current_traceparent())


def _issue(request: pb.IssueEntitlementRequest, call: Call) -> commands.IssueEntitlement:
    validate_only = request.validate_only
    member_id = ids.decode(wire.MEMBER, request.member_id)
    return commands.IssueEntitlement(
        request=idempotency.identify(call.caller.name, "benefits.IssueEntitlement", request),
        entitlement_id=naming.entitlement_id(member_id, request.benefit, LIST, request.reference),
        member_id=member_id,
        benefit=request.benefit,
        reference=request.reference,
        validate_only=validate_only,
    )


def _redeem(request: pb.RedeemRequest, call: Call) -> commands.Redeem:
    """Raises Refused when the domain is closed to the caller."""
    require_domain(call.caller, request.domain)
    validate_only = request.validate_only
    member_id = ids.decode(wire.MEMBER, request.member_id)
    identified = idempotency.identify(call.caller.name, "benefits.Redeem", request)
    return commands.Redeem(
        request=identified,
        redemption_id=naming.redemption_id(identified.key, member_id),
        member_id=member_id,
        benefit=request.benefit,
        domain=request.domain,
        account_id=wire.decode_optional(wire.ACCOUNT, request.account_id),
        entitlement_id=wire.decode_optional(wire.ENTITLEMENT, request.entitlement_id),
        reference=request.reference,
        validate_only=validate_only,
    )


def _instant(value_us: int) -> datetime:
    at = from_microseconds(value_us)
    assert at is not None, "no entitlement was issued in 1970"
    return at
