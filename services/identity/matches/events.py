"""What matches tell the others: pseudonymous IDs and the type of what speaks for them."""

from services.chassis.clock import to_microseconds
from services.identity.matches.values import Match
from tessera.identity.v1 import event_pb2 as pb


def match_found(match: Match) -> bytes:
    """Two members may be one person."""
    event = pb.MatchFound(
        match_id=match.match_id.bytes,
        member_id=match.member_id.bytes,
        other_id=match.other_id.bytes,
        type=match.type,
        score=match.score,
        created_at_us=to_microseconds(match.created_at),
    )
    return pb.Event(match_found=event).SerializeToString()
