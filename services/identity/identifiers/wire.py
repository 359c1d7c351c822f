"""Messages and values of identifiers, one made of the other. Answers that are kept hold no value."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.instants import timestamp
from services.identity.identifiers import rules
from services.identity.identifiers.values import IDENTIFIER, Holder, Identifier, IdentifierType, Strength
from services.identity.matches.values import MATCH, Match
from services.identity.values import MEMBER
from services.identity.vault import Box
from services.identity.wire import Place, position
from tessera.identity.v1 import identifier_pb2 as pb

STRENGTHS = {
    Strength.HINT: pb.IDENTIFIER_STRENGTH_HINT,
    Strength.EVIDENCE: pb.IDENTIFIER_STRENGTH_EVIDENCE,
    Strength.PROOF: pb.IDENTIFIER_STRENGTH_PROOF,
}


def identifier_message(identifier: Identifier, kind: IdentifierType | None, at: datetime) -> pb.Identifier:
    """An identifier without its value, as it is at an instant."""
    message = pb.Identifier(
        identifier_id=ids.encode(IDENTIFIER, identifier.identifier_id),
        type=identifier.type,
        strength=STRENGTHS[rules.strength(kind, identifier, at)],
        demoted=identifier.is_demoted,
        first_seen_at=timestamp(identifier.first_seen_at),
        last_seen_at=timestamp(identifier.last_seen_at),
    )
    if identifier.verified_at is not None and rules.is_verified(kind, identifier, at):
        message.verified_at.CopyFrom(timestamp(identifier.verified_at))
        if kind is not None and kind.validity is not None:
            message.verified_until.CopyFrom(timestamp(identifier.verified_at + kind.validity))
    return message


def shown_message(
    identifier: Identifier, kind: IdentifierType | None, at: datetime, box: Box | None, *, in_full: bool
) -> pb.Identifier:
    """An identifier with its value: in full, or as much of it as who may not read it is shown; without what opens it,
    without."""
    message = identifier_message(identifier, kind, at)
    if box is None:
        return message
    value = box.open(identifier.value, identifier.identifier_id.bytes).decode()
    message.value = value if in_full else rules.masked(value)
    return message


def added_answer(
    identifier: Identifier,
    kind: IdentifierType,
    demoted: Iterable[UUID],
    matches: Iterable[Match],
    is_new: bool,
    at: datetime,
    place: Place,
) -> bytes:
    """A member has an identifier. A dry run adds nothing, so there is no ID to tell of what would be new."""
    answer = pb.AddIdentifierResponse(
        identifier=identifier_message(identifier, kind, at),
        created=is_new,
        demoted_ids=[ids.encode(IDENTIFIER, each) for each in demoted],
    )
    if place is not None:
        answer.position.CopyFrom(position(place))
        answer.match_ids.extend(ids.encode(MATCH, match.match_id) for match in matches)
    elif is_new:
        answer.identifier.identifier_id = ""
    return answer.SerializeToString()


def verified_answer(
    identifier: Identifier, kind: IdentifierType, matches: Iterable[Match], at: datetime, place: Place
) -> bytes:
    """An identifier is verified."""
    answer = pb.VerifyIdentifierResponse(identifier=identifier_message(identifier, kind, at))
    if place is not None:
        answer.match_ids.extend(ids.encode(MATCH, match.match_id) for match in matches)
        answer.position.CopyFrom(position(place))
    return answer.SerializeToString()


def removed_answer(member_id: UUID, place: Place) -> bytes:
    """Nobody's identifier."""
    answer = pb.RemoveIdentifierResponse(member_id=ids.encode(MEMBER, member_id))
    if place is not None:
        answer.position.CopyFrom(position(place))
    return answer.SerializeToString()


def found_message(holder: Holder, member_id: UUID, kind: IdentifierType, at: datetime) -> pb.FindMemberResponse:
    """Whom a value leads to."""
    return pb.FindMemberResponse(
        member_id=ids.encode(MEMBER, member_id),
        identifier_id=ids.encode(IDENTIFIER, holder.identifier_id),
        strength=STRENGTHS[rules.strength(kind, holder, at)],
        verified=rules.is_verified(kind, holder, at),
    )
