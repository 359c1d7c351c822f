"""The methods of the contract about identifiers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from services.chassis import idempotency, ids, replies
from services.chassis.app import Platform
from services.chassis.batches import Outcome
from services.chassis.errors import Refused, Rejection
from services.chassis.idempotency import Request
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.identity import errors as identity_errors
from services.identity.identifiers import commands, errors, finding, queries, rules, wire
from services.identity.identifiers.commands import IdentifierCommand, RemoveIdentifier, VerifyIdentifier
from services.identity.identifiers.keys import IndexKeys
from services.identity.identifiers.values import IDENTIFIER, Identifier, IdentifierType
from services.identity.keys.keyring import Keyring, Keys
from services.identity.keys.reopening import until_keys_fit
from services.identity.people import People
from services.identity.privacy.sight import sight_of
from services.identity.resolution import ERROR_DOMAIN
from services.identity.values import MEMBER, Config
from services.identity.vault import Vault, new_nonce
from tessera.identity.v1 import identifier_pb2 as pb

T = TypeVar("T")
Types = Mapping[str, IdentifierType]
"""By code."""


class IdentifierMethods:
    """The methods of the contract about identifiers."""

    def __init__(
        self, platform: Platform[Config], vault: Vault, keys: IndexKeys, people: People, keyring: Keyring
    ) -> None:
        self._at = platform
        self._sealing = vault
        self._unsealing = keyring
        self._index_keys = keys
        self._holders = people

    async def AddIdentifier(self, request: pb.AddIdentifierRequest, call: Call) -> Serialised:
        """One more thing that a member is known by."""
        addition = self._add(await self._types(), request, call)
        (outcome,) = await self._submit_additions([addition], call)
        return replies.unary_reply(outcome)

    async def BulkAddIdentifiers(self, request: pb.BulkAddIdentifiersRequest, call: Call) -> Serialised:
        """More things that members are known by."""
        types = await self._types()
        return await replies.bulk_reply(
            request.requests,
            lambda item: self._add(types, item, call),
            lambda additions: self._submit_additions(additions, call),
            ERROR_DOMAIN,
        )

    def _add(self, types: Types, request: pb.AddIdentifierRequest, call: Call) -> commands.AddIdentifier:
        kind = _accepted(rules.known_type(types.get(request.type), request.type))
        request.value = _accepted(rules.normal_value(kind, request.value))
        member_id = ids.decode(MEMBER, request.member_id)
        validate_only = request.validate_only
        return commands.AddIdentifier(
            request=self._keyed(call, "identity.AddIdentifier", request),
            home=ids.routing_of(member_id),
            member_id=member_id,
            identifier_id=ids.new_id(ids.routing_of(member_id)),
            type=kind.code,
            value=request.value,
            indexes=self._index_keys.indexes(kind.code, request.value),
            nonce=new_nonce(),
            keys={},
            verified=request.verified,
            validate_only=validate_only,
        )

    async def _submit_additions(self, additions: Sequence[Any], call: Call) -> list[Outcome]:
        """Who holds the same values is read before the commands are queued, for all of them at once."""
        wanted = [
            finding.Wanted(one.type, tuple(index.blind_index for index in one.indexes), one.member_id)
            for one in additions
        ]
        near = await finding.near(self._at, self._holders, wanted)
        informed = [replace(one, near=others) for one, others in zip(additions, near, strict=True)]
        return await until_keys_fit(informed, self._family_keys, self._at.lanes, call)

    async def VerifyIdentifier(self, request: pb.VerifyIdentifierRequest, call: Call) -> Serialised:
        """It is this person's."""
        identifier = await self._identifier(request.identifier_id)
        validate_only = request.validate_only
        hashes = await self._hashes(identifier)
        wanted = finding.Wanted(identifier.type, hashes, identifier.member_id)
        (near,) = await finding.near(self._at, self._holders, [wanted])
        command = VerifyIdentifier(
            request=self._keyed(call, "identity.VerifyIdentifier", request),
            member_id=identifier.member_id,
            added_to=identifier.member_id,
            identifier_id=identifier.identifier_id,
            blind_indexes=hashes,
            validate_only=validate_only,
            near=near,
        )
        return await self._write(command, call)

    async def RemoveIdentifier(self, request: pb.RemoveIdentifierRequest, call: Call) -> Serialised:
        """Nobody's identifier."""
        identifier = await self._identifier(request.identifier_id)
        validate_only = request.validate_only
        command = RemoveIdentifier(
            request=self._keyed(call, "identity.RemoveIdentifier", request),
            member_id=identifier.member_id,
            added_to=identifier.member_id,
            identifier_id=identifier.identifier_id,
            blind_indexes=(identifier.blind_index,) if identifier.is_held else (),
            validate_only=validate_only,
        )
        return await self._write(command, call)

    async def FindMember(self, request: pb.FindMemberRequest, call: Call) -> pb.FindMemberResponse:
        """Who has an identifier. That it was asked is kept, also when nobody has it."""
        await self._at.at_least.wait(request.at_least, call)
        kind = _accepted(rules.known_type((await self._types()).get(request.type), request.type))
        if not kind.finds:
            raise Refused(errors.identifier_not_searchable(kind.code))
        value = _accepted(rules.normal_value(kind, request.value))
        indexes = self._index_keys.indexes(kind.code, value)
        at = await self._at.clock.now()
        found = await finding.find(self._at, self._holders, kind, indexes, at)
        if not isinstance(found, Rejection) and not await self._may_find(found[1], call):
            found = errors.IDENTIFIER_UNKNOWN
        member_id = None if isinstance(found, Rejection) else found[1]
        await finding.keep(self._at, indexes[0], call.caller.name, kind.code, member_id, at)
        if isinstance(found, Rejection):
            raise Refused(found)
        return wire.found_message(*found, kind, at)

    async def _may_find(self, member_id: UUID, call: Call) -> bool:
        members = await self._holders.families([member_id])
        return (await sight_of(call.caller, self._at.pool, self._at.configurations, members)).finds(member_id)

    async def _types(self) -> Types:
        _, config = await self._at.configurations.current(self._at.pool)
        return config.identifier_types

    async def _identifier(self, identifier_id: str) -> Identifier:
        wanted = ids.decode(IDENTIFIER, identifier_id)
        place = partition_of(wanted, self._at.settings.partitions)
        found = await queries.find_identifier(self._at.pool, place, wanted)
        if found is None:
            raise Refused(errors.IDENTIFIER_UNKNOWN)
        return found

    async def _hashes(self, identifier: Identifier) -> tuple[bytes, ...]:
        """Where others who hold the same value are looked up."""
        if not identifier.is_held:
            return ()
        keeper = (await self._holders.find([identifier.member_id]))[identifier.member_id]
        boxes = await self._unsealing.open([keeper])
        if not boxes:
            raise Refused(identity_errors.MEMBER_ERASED)
        value = boxes[keeper.member_id].open(identifier.value, identifier.identifier_id.bytes).decode()
        indexes = self._index_keys.indexes(identifier.type, value)
        return tuple({identifier.blind_index, *(index.blind_index for index in indexes)})

    async def _write(self, command: IdentifierCommand, call: Call) -> Serialised:
        (outcome,) = await self._at.lanes.submit((command,), deadline=call.deadline, traceparent=current_traceparent())
        return replies.unary_reply(outcome)

    async def _family_keys(self, commands: Sequence[commands.AddIdentifier]) -> Keys:
        """What seals for the members that commands mean, and for those that were merged into them."""
        return await self._unsealing.open(await self._holders.families({one.member_id for one in commands}))

    def _keyed(self, call: Call, method: str, message: Message) -> Request:
        return self._sealing.keyed(idempotency.identify(call.caller.name, method, message))


def _accepted(value: T | Rejection) -> T:
    if isinstance(value, Rejection):
        raise Refused(value)
    return value
