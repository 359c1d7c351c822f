"""What identifiers tell the others: pseudonymous IDs, types and strengths; nothing of a value."""

from datetime import datetime

from services.chassis.clock import to_microseconds
from services.identity.identifiers import rules, wire
from services.identity.identifiers.values import Identifier, IdentifierType
from tessera.identity.v1 import event_pb2 as pb
from tessera.identity.v1 import identifier_pb2


def identifier_changed(identifier: Identifier, kind: IdentifierType | None, at: datetime) -> bytes:
    """An identifier was added, verified, demoted or removed."""
    state = identifier_pb2.IDENTIFIER_STATE_HELD if identifier.is_held else identifier_pb2.IDENTIFIER_STATE_REMOVED
    event = pb.IdentifierChanged(
        identifier_id=identifier.identifier_id.bytes,
        member_id=identifier.member_id.bytes,
        type=identifier.type,
        strength=wire.STRENGTHS[rules.strength(kind, identifier, at)],
        state=state,
        verified_at_us=to_microseconds(identifier.verified_at),
        changed_at_us=to_microseconds(at),
    )
    return pb.Event(identifier_changed=event).SerializeToString()
