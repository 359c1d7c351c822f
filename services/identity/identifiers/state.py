"""Identifiers as a batch loads and changes them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.identifiers.commands import value_routing
from services.identity.identifiers.values import NOWHERE, Holder, Identifier

Change = Callable[[int, str, Any, tuple[Any, ...]], None]
"""Takes a row that is new or changed: its partition, its table, its key there, and what it is."""
PartitionOf = Callable[[int], int]
"""The partition of an owner, by the number of its ID."""


class IdentifierState:
    """The identifiers that the commands of a batch concern, who holds their values, and what became of them."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._identifiers: dict[UUID, Identifier] = {}
        self._of_members: dict[UUID, dict[UUID, Identifier]] = {}
        self._holders: dict[bytes, dict[UUID, Holder]] = {}
        self._read: set[UUID] = set()
        self._values_read: set[bytes] = set()

    def fill(self, identifiers: Iterable[Identifier], of: Iterable[UUID]) -> None:
        """Take over all the identifiers that were added to some members."""
        self._read.update(of)
        for identifier in identifiers:
            self._keep(identifier)

    def were_read(self, member_id: UUID) -> bool:
        """Whether the identifiers that were added to a member are known."""
        return member_id in self._read

    def fill_holders(self, holders: Iterable[Holder], of: Iterable[bytes]) -> None:
        """Take over all who hold some values."""
        self._values_read.update(of)
        for holder in holders:
            self._holders.setdefault(holder.blind_index, {})[holder.identifier_id] = holder

    def holders_were_read(self, blind_index: bytes) -> bool:
        """Whether it is known who holds a value."""
        return blind_index in self._values_read

    def holders(self, blind_indexes: Iterable[bytes]) -> list[Holder]:
        """Who holds a value, under any of its hashes, by ID."""
        found = [one for blind_index in blind_indexes for one in self._holders.get(blind_index, {}).values()]
        return sorted(found, key=lambda holder: holder.identifier_id)

    def identifier(self, identifier_id: UUID) -> Identifier | None:
        """An identifier, if there is one of this ID."""
        return self._identifiers.get(identifier_id)

    def of_members(self, member_ids: Iterable[UUID]) -> list[Identifier]:
        """The identifiers that were added to members, removed ones too."""
        return [one for member_id in member_ids for one in self._of_members.get(member_id, {}).values()]

    def put(self, identifier: Identifier, at: datetime, partition_of: PartitionOf) -> None:
        """An identifier is new or changed, and with it who holds its value; nobody under a hash that it had before."""
        before = self._identifiers.get(identifier.identifier_id)
        self._keep(identifier)
        self._change(identifier.partition, "identifiers", identifier.identifier_id, identifier[1:])
        if before is not None and before.blind_index not in (NOWHERE, identifier.blind_index):
            self._put_holder(before._replace(removed_at=before.removed_at or at), partition_of)
        if identifier.blind_index != NOWHERE:
            self._put_holder(identifier, partition_of)

    def _put_holder(self, identifier: Identifier, partition_of: PartitionOf) -> None:
        place = partition_of(value_routing(identifier.blind_index))
        holder = Holder(
            place,
            identifier.blind_index,
            identifier.identifier_id,
            identifier.member_id,
            identifier.type,
            identifier.is_demoted,
            identifier.verified_at,
            identifier.removed_at,
        )
        self._holders.setdefault(holder.blind_index, {})[holder.identifier_id] = holder
        key = (identifier.blind_index, identifier.identifier_id)
        self._change(place, "identifier_holders", key, holder[1:])

    def _keep(self, identifier: Identifier) -> None:
        self._identifiers[identifier.identifier_id] = identifier
        self._of_members.setdefault(identifier.member_id, {})[identifier.identifier_id] = identifier
