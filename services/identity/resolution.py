"""Resolving accounts: one indexed read, and the lanes only for those who are to be enrolled.

This is the hottest path of the suite, so a known account costs one hash, its share of one query and its reply.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

from services.chassis import idempotency, ids, replies
from services.chassis.access import Caller, domain_not_allowed, require_domain
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.errors import Refused, Rejection
from services.chassis.gathering import Gathered
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.chassis.validation import item_rejection
from services.identity import errors, queries, rules, wire
from services.identity.commands import Enrolment, ResolveAccount
from services.identity.values import Config, RouteKey, route_key
from services.identity.vault import Vault, new_nonce, normalised
from tessera.identity.v1 import identity_service_pb2 as pb

METHOD = "identity.ResolveAccount"
"""How idempotency calls the method, single or bulk, so that a retry may use either form."""
ERROR_DOMAIN = "identity.tessera"

MAX_PLAIN_CHARACTERS = 128
"""An external id of so many characters is within its limit of 512 bytes, whatever they are."""

MAX_REQUEST_ID_CHARACTERS = 128

NOWHERE = route_key(bytes(32), 1)
"""Looked up in place of an item that is refused, so that rows and items keep step."""


class Resolver:
    """Answers ResolveAccount in its two forms."""

    def __init__(self, platform: Platform[Config], vault: Vault) -> None:
        self._platform = platform
        self._partitions = platform.settings.partitions
        self._vault = vault
        self._routes: Gathered[RouteKey, Any] = Gathered(self._find)

    async def one(self, request: pb.ResolveAccountRequest, call: Call) -> pb.ResolveAccountResponse:
        """Resolve one account. Calls that wait together share a query."""
        require_domain(call.caller, request.domain)
        key = self._key(request.domain, request.external_id)
        row = await self._routes.get(key)
        if _is_known(row, request):
            return pb.ResolveAccountResponse(member_id=row[0], account_id=row[1], status=row[2])
        (outcome,) = await self._unknown([request], [key], call)
        if isinstance(outcome, Rejection):
            raise Refused(outcome)
        return replies.unary_reply(outcome, pb.ResolveAccountResponse)

    async def many(self, requests: Sequence[pb.ResolveAccountRequest], call: Call) -> pb.BulkResolveAccountsResponse:
        """Resolve many accounts; each item has its own result."""
        refusals, keys = self._admit(requests, call.caller)
        rows = await self._find(keys)
        response = pb.BulkResolveAccountsResponse()
        add_result = response.results.add
        unknown: list[tuple[pb.ResolveAccountRequest, RouteKey, pb.BulkResolveAccountsResponse.Result]] = []
        for index, (request, row) in enumerate(zip(requests, rows, strict=True)):
            result = add_result()
            if index in refusals:
                replies.fill_result(result, refusals[index], ERROR_DOMAIN)
            elif _is_known(row, request):
                known = result.response
                known.member_id, known.account_id, known.status, _ = row
            else:
                unknown.append((request, keys[index], result))
        if unknown:
            outcomes = await self._unknown([request for request, _, _ in unknown], [key for _, key, _ in unknown], call)
            for (_, _, result), outcome in zip(unknown, outcomes, strict=True):
                replies.fill_result(result, outcome, ERROR_DOMAIN)
        return response

    def _admit(
        self, requests: Iterable[pb.ResolveAccountRequest], caller: Caller
    ) -> tuple[dict[int, Rejection], list[RouteKey]]:
        """Why items are refused, by index, and where each of the others is looked up."""
        refusals: dict[int, Rejection] = {}
        keys: list[RouteKey] = []
        open_domains: set[str] = set()
        for index, request in enumerate(requests):
            domain, external_id = request.domain, request.external_id
            if not (domain in open_domains and is_plain(request, external_id)):
                refusal = item_rejection(request)
                if refusal is None and not caller.may_act_in(domain):
                    refusal = domain_not_allowed(caller, domain)
                if refusal is not None:
                    refusals[index] = refusal
                    keys.append(NOWHERE)
                    continue
                open_domains.add(domain)
            keys.append(self._key(domain, external_id))
        return refusals, keys

    def _key(self, domain: str, external_id: str) -> RouteKey:
        return route_key(self._vault.blind_index(domain, normalised(external_id)), self._partitions)

    async def _find(self, keys: Sequence[RouteKey]) -> list[Any]:
        partitions = [key.partition for key in keys]
        return await queries.find_routes(self._platform.pool, partitions, [key.blind_index for key in keys])

    async def _unknown(
        self, requests: Sequence[pb.ResolveAccountRequest], keys: Sequence[RouteKey], call: Call
    ) -> list[Outcome | Rejection]:
        """What becomes of accounts that lead nowhere yet.

        Those to be enrolled go to the lanes, and so do those that stand behind an item which enrols them.
        """
        commands: dict[int, ResolveAccount] = {}
        enrolled: set[bytes] = set()
        for index, (request, key) in enumerate(zip(requests, keys, strict=True)):
            if request.create_missing or key.blind_index in enrolled:
                if not request.validate_only:
                    enrolled.add(key.blind_index)
                commands[index] = self._command(request, key, call.caller)
        written = await self._platform.lanes.submit(
            list(commands.values()), deadline=call.deadline, traceparent=current_traceparent()
        )
        outcomes: dict[int, Outcome | Rejection] = dict(zip(commands, written, strict=True))
        if len(outcomes) < len(requests):
            _, config = await self._platform.configurations.current(self._platform.pool)
            for index, request in enumerate(requests):
                if index not in outcomes:
                    outcomes[index] = rules.enrolment_refusal(config, request.domain) or errors.ACCOUNT_UNKNOWN
        return [outcomes[index] for index in range(len(requests))]

    def _command(self, request: pb.ResolveAccountRequest, key: RouteKey, caller: Caller) -> ResolveAccount:
        if not request.create_missing:
            return ResolveAccount(None, key, request.domain, None, validate_only=request.validate_only)
        enrolment = self._enrolment(request, key)
        validate_only = request.validate_only
        request.external_id = normalised(request.external_id)
        identified = self._vault.keyed(idempotency.identify(caller.name, METHOD, request))
        return ResolveAccount(identified, key, request.domain, enrolment, validate_only)

    def _enrolment(self, request: pb.ResolveAccountRequest, key: RouteKey) -> Enrolment:
        member_id, account_id = ids.new_id(key.routing), ids.new_id(key.routing)
        data_key = self._vault.new_data_key(member_id.bytes)
        box = self._vault.member_box(data_key, member_id.bytes)
        attributes = wire.attributes_text(request.attributes)
        return Enrolment(
            member_id=member_id,
            account_id=account_id,
            data_key=data_key,
            external_id=box.seal(normalised(request.external_id).encode(), account_id.bytes, new_nonce()),
            attributes=box.seal(attributes, member_id.bytes, new_nonce()) if attributes else b"",
            verified=request.verified,
            enrolled_by=crc32(request.request_id.encode()),
        )


def is_plain(request: pb.ResolveAccountRequest, external_id: str) -> bool:
    """Whether an item whose domain is valid surely keeps all rules of its contract.

    Told in a twentieth of the validator's time; False only means that the validator is to be asked.
    """
    request_id = request.request_id
    return (
        0 < len(external_id) <= MAX_PLAIN_CHARACTERS
        and len(request_id) <= MAX_REQUEST_ID_CHARACTERS
        and (request_id != "" or not request.create_missing)
        and not request.attributes
    )


def _is_known(row: Any, request: pb.ResolveAccountRequest) -> bool:
    """Whether a row answers a request. One that this very request may have enrolled does not: a retry gets its first
    answer again, from the lane."""
    if row[0] is None:
        return False
    return not request.create_missing or row[3] != crc32(request.request_id.encode())
