"""Resolving accounts: one indexed read, and the lanes only for those who are to be enrolled.

This is the hottest path of the suite: a known account costs a hash, its share of one query, and the copying of a reply
that was serialised when the account was linked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID
from zlib import crc32

from services.chassis import idempotency, ids, replies
from services.chassis.access import Caller, domain_not_allowed, require_domain
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.errors import Refused, Rejection
from services.chassis.gathering import Gathered
from services.chassis.replies import Serialised
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.chassis.validation import item_rejection
from services.identity import errors, queries, rules, wire
from services.identity.commands import Enrolment, ResolveAccount
from services.identity.keys.keyring import Keyring
from services.identity.keys.values import Wrapped
from services.identity.queries import FoundRoute
from services.identity.values import Config, RouteKey, route_key
from services.identity.vault import BLIND_INDEX_BYTES, Box, Vault, new_nonce, normalised
from tessera.identity.v1 import identity_service_pb2 as pb

METHOD = "identity.ResolveAccount"
"""How idempotency calls the method, single or bulk, so that a retry may use either form."""
ERROR_DOMAIN = "identity.tessera"

MAX_PLAIN_CHARACTERS = 128
"""The limit of a request id; an external id of so many characters is within its limit of 512 bytes."""

NOBODY = bytes(BLIND_INDEX_BYTES)
"""Looked up in place of an item that is refused, so that rows and items keep step."""

NO_ENROLMENT = -1
"""The mark of a request that enrols nobody; no checksum is negative."""


NewKey = tuple[UUID, Wrapped, Box]
"""Whom an enrolment makes, with its data key."""


@dataclass(slots=True)
class Admitted:
    """The items of a bulk call on their way to the query."""

    blind_indexes: list[bytes] = field(default_factory=list)
    """They keep step with the items."""
    enrols: bool = False
    """Whether any item enrols whom nobody knows."""
    refusals: dict[int, Rejection] = field(default_factory=dict)


class Resolver:
    """Answers ResolveAccount in its two forms."""

    def __init__(self, platform: Platform[Config], vault: Vault, keyring: Keyring) -> None:
        self._platform = platform
        self._partitions = platform.settings.partitions
        self._vault = vault
        self._keyring = keyring
        self._routes: Gathered[bytes, FoundRoute] = Gathered(self._find)

    async def one(self, request: pb.ResolveAccountRequest, call: Call) -> pb.ResolveAccountResponse | Serialised:
        """Resolve one account. Calls that wait together share a query."""
        require_domain(call.caller, request.domain)
        blind_index = self._vault.blind_index(request.domain, request.external_id)
        reply, enrolled_by = await self._routes.get(blind_index)
        if reply is not None and enrolled_by != enrolment_mark(request.request_id, request.create_missing):
            return pb.BulkResolveAccountsResponse.FromString(reply).results[0].response
        (outcome,) = await self._unknown([request], [blind_index], call)
        if isinstance(outcome, Rejection):
            raise Refused(outcome)
        return replies.unary_reply(outcome)

    async def many(self, requests: Sequence[pb.ResolveAccountRequest], call: Call) -> Serialised:
        """Resolve many accounts; each item has its own result."""
        admitted = admit(requests, call.caller, self._vault)
        if not admitted.refusals and not admitted.enrols:
            answer = await queries.find_replies(self._platform.pool, admitted.blind_indexes, self._partitions)
            if answer is not None:
                return Serialised(answer)
        rows = await self._find(admitted.blind_indexes)
        known = [
            reply if enrolled_by != enrolment_mark(request.request_id, request.create_missing) else None
            for (reply, enrolled_by), request in zip(rows, requests, strict=True)
        ]
        others = await self._others(known, requests, admitted, call) if None in known else {}
        results = [others[index] if reply is None else reply for index, reply in enumerate(known)]
        return Serialised(b"".join(results), sum(map(replies.is_error, others.values())))

    async def _others(
        self,
        known: Sequence[bytes | None],
        requests: Sequence[pb.ResolveAccountRequest],
        admitted: Admitted,
        call: Call,
    ) -> dict[int, bytes]:
        """The results of items that no row answers: they are refused, or lead nowhere yet."""
        unknown = [index for index, reply in enumerate(known) if reply is None and index not in admitted.refusals]
        outcomes = await self._unknown(
            [requests[index] for index in unknown], [admitted.blind_indexes[index] for index in unknown], call
        )
        others = {**admitted.refusals, **dict(zip(unknown, outcomes, strict=True))}
        return {index: replies.bulk_result(outcome, ERROR_DOMAIN) for index, outcome in others.items()}

    async def _find(self, blind_indexes: Sequence[bytes]) -> Sequence[FoundRoute]:
        return await queries.find_routes(self._platform.pool, blind_indexes, self._partitions)

    async def _unknown(
        self, requests: Sequence[pb.ResolveAccountRequest], blind_indexes: Sequence[bytes], call: Call
    ) -> list[Outcome | Rejection]:
        """What becomes of accounts that lead nowhere yet.

        Those to be enrolled go to the lanes, and so do those that stand behind an item which enrols them.
        """
        commands: dict[int, ResolveAccount] = {}
        keys = await self._new_keys(requests, blind_indexes)
        enrolled: set[bytes] = set()
        for index, (request, blind_index) in enumerate(zip(requests, blind_indexes, strict=True)):
            if request.create_missing or blind_index in enrolled:
                enrolled.add(blind_index)
                commands[index] = self._command(request, route_key(blind_index, self._partitions), call.caller, keys)
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

    def _command(
        self, request: pb.ResolveAccountRequest, key: RouteKey, caller: Caller, keys: Iterator[NewKey]
    ) -> ResolveAccount:
        validate_only = request.validate_only
        if not request.create_missing:
            return ResolveAccount(None, key, request.domain, None, validate_only)
        enrolment = _enrolment(request, key, next(keys))
        request.external_id = normalised(request.external_id)
        identified = self._vault.keyed(idempotency.identify(caller.name, METHOD, request))
        return ResolveAccount(identified, key, request.domain, enrolment, validate_only)

    async def _new_keys(
        self, requests: Sequence[pb.ResolveAccountRequest], blind_indexes: Sequence[bytes]
    ) -> Iterator[NewKey]:
        """Whom those who are to be enrolled would be, in their order, and the data keys that they would have."""
        member_ids = [
            ids.new_id(route_key(blind_index, self._partitions).routing)
            for request, blind_index in zip(requests, blind_indexes, strict=True)
            if request.create_missing
        ]
        keys = await self._keyring.new(member_ids)
        return iter([(member_id, *key) for member_id, key in zip(member_ids, keys, strict=True)])


def _enrolment(request: pb.ResolveAccountRequest, key: RouteKey, new: NewKey) -> Enrolment:
    member_id, data_key, box = new
    account_id = ids.new_id(key.routing)
    attributes = wire.attributes_text(request.attributes)
    return Enrolment(
        member_id=member_id,
        account_id=account_id,
        data_key=data_key,
        external_id=box.seal(normalised(request.external_id).encode(), account_id.bytes, new_nonce()),
        attributes=box.seal(attributes, member_id.bytes, new_nonce()) if attributes else b"",
        verified=request.verified,
        enrolled_by=enrolment_mark(request.request_id, request.create_missing),
    )


def admit(requests: Sequence[pb.ResolveAccountRequest], caller: Caller, vault: Vault) -> Admitted:
    """Why items are refused, and what is looked up for the others.

    The validator takes five microseconds for an item. It is shown the first of each domain, and whatever is not plain:
    an item with a valid domain, short texts and no attributes breaks no rule.
    """
    admitted = Admitted()
    blind_indexes, blind_index = admitted.blind_indexes, vault.blind_index
    open_domains: set[str] = set()
    for index, request in enumerate(requests):
        domain, external_id, request_id = request.domain, request.external_id, request.request_id
        create_missing = request.create_missing
        is_plain = (
            domain in open_domains
            and 0 < len(external_id) <= MAX_PLAIN_CHARACTERS
            and (len(request_id) <= MAX_PLAIN_CHARACTERS if request_id else not create_missing)
            and not request.attributes
        )
        if not is_plain:
            refusal = item_rejection(request)
            if refusal is None and not caller.may_act_in(domain):
                refusal = domain_not_allowed(caller, domain)
            if refusal is not None:
                admitted.refusals[index] = refusal
                blind_indexes.append(NOBODY)
                continue
            open_domains.add(domain)
        blind_indexes.append(blind_index(domain, external_id))
        if create_missing:
            admitted.enrols = True
    return admitted


def enrolment_mark(request_id: str, create_missing: bool) -> int:
    """A checksum that an enrolment leaves in its route.

    A request that finds its own mark there may be a retry of the enrolment: the lane has its first answer.
    """
    return crc32(request_id.encode()) if create_missing else NO_ENROLMENT
