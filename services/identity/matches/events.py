"""What matches tell the others: pseudonymous IDs and the type of what speaks for them."""

from services.chassis.clock import to_microseconds
from services.identity.matches.values import Match
from services.identity.matches.wire import STATUSES
from tessera.identity.v1 import event_pb2 as pb


def match_found(match: Match) -> bytes:
    """Two members may be one person, or of one household."""
    event = pb.MatchFound(
        match_id=match.match_id.bytes,
        member_id=match.member_id.bytes,
        other_id=match.other_id.bytes,
        type=match.evidence[0].type,
        score=match.score,
        created_at_us=to_microseconds(match.created_at),
        status=STATUSES[match.status],
        reason=match.reason,
    )
    return pb.Event(match_found=event).SerializeToString()


def match_changed(match: Match) -> bytes:
    """A match is something else from now on."""
    event = pb.MatchChanged(
        match_id=match.match_id.bytes,
        member_id=match.member_id.bytes,
        other_id=match.other_id.bytes,
        status=STATUSES[match.status],
        reason=match.reason,
        score=match.score,
        merge_id=b"" if match.merge_id is None else match.merge_id.bytes,
        changed_at_us=to_microseconds(match.changed_at),
    )
    return pb.Event(match_changed=event).SerializeToString()
