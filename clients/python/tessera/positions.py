"""Position tokens: what a client has seen written, passed along so that the next service has seen it, too."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor

from tessera.topology import FOLLOWS
from tessera.type.v1 import position_pb2

POSITION: str = position_pb2.Position.DESCRIPTOR.full_name
SYSTEM_PARTITION = -1
"""Holds configuration events, which no service follows."""

Place = tuple[str, int]
"""A service and one of its partitions."""


class Positions:
    """The newest position that one client has seen of each place, and which of them each service is known to have."""

    def __init__(self) -> None:
        self._newest: dict[Place, int] = {}
        self._known: dict[str, dict[Place, int]] = {service: {} for service in FOLLOWS}

    def note(self, position: position_pb2.Position) -> None:
        """Remember where something was committed."""
        if position.partition == SYSTEM_PARTITION or not position.service:
            return
        place = (position.service, position.partition)
        if position.position > self._newest.get(place, 0):
            self._newest[place] = position.position

    def missing(self, service: str) -> dict[Place, int]:
        """What `service` follows and is not yet known to have seen."""
        known, follows = self._known[service], FOLLOWS[service]
        return {
            place: position
            for place, position in self._newest.items()
            if place[0] in follows and position > known.get(place, 0)
        }

    def confirm(self, service: str, reached: dict[Place, int]) -> None:
        """Note that `service` has answered a call that asked for these positions: it need not be asked again."""
        known = self._known[service]
        for place, position in reached.items():
            known[place] = max(position, known.get(place, 0))


def messages(places: dict[Place, int]) -> list[position_pb2.Position]:
    """Positions as they travel."""
    return [
        position_pb2.Position(service=service, partition=partition, position=position)
        for (service, partition), position in places.items()
    ]


def position_fields(message: Descriptor) -> list[str]:
    """The fields in which a message says where it was committed: work between two members says it of both halves."""
    return [
        field.name
        for field in message.fields
        if field.message_type is not None and field.message_type.full_name == POSITION and not field.is_repeated
    ]


def lists_of_positions(message: Descriptor) -> list[str]:
    """The fields in which a message says so of any number of halves: a group that is dissolved has many members."""
    return [
        field.name
        for field in message.fields
        if field.message_type is not None and field.message_type.full_name == POSITION and field.is_repeated
    ]


def note_answer(positions: Positions, reply: Any, fields: Sequence[str], lists: Sequence[str] = ()) -> None:
    """Remember the positions of an answer to one write, which stand in these fields and lists."""
    for field in fields:
        if reply.HasField(field):
            positions.note(getattr(reply, field))
    for field in lists:
        for position in getattr(reply, field):
            positions.note(position)


def note_results(positions: Positions, reply: Any) -> None:
    """Remember the positions of an answer to a bulk call."""
    for result in reply.results:
        response = result.response
        if response.HasField("position"):
            positions.note(response.position)
