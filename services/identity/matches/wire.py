"""Messages and values of matches, one made of the other. That a value is shared is told, and never which."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from services.chassis import ids
from services.chassis.instants import timestamp
from services.identity.identifiers.values import IDENTIFIER
from services.identity.identifiers.wire import STRENGTHS
from services.identity.matches.values import MATCH, Evidence, Match, MatchReason, MatchStatus
from services.identity.merges.values import MERGE
from services.identity.values import MEMBER
from services.identity.wire import Place, position
from tessera.identity.v1 import match_pb2 as pb

COUNT_BYTES = 4
STATUSES = {
    MatchStatus.OPEN: pb.MATCH_STATUS_OPEN,
    MatchStatus.MERGED: pb.MATCH_STATUS_MERGED,
    MatchStatus.REFUSED: pb.MATCH_STATUS_REFUSED,
    MatchStatus.LINKED: pb.MATCH_STATUS_LINKED,
    MatchStatus.MERGING: pb.MATCH_STATUS_MERGING,
    MatchStatus.LAPSED: pb.MATCH_STATUS_LAPSED,
}
_WHAT_FOLLOWS = {
    MatchStatus.OPEN: "somebody is to decide",
    MatchStatus.MERGED: "they are one member",
    MatchStatus.REFUSED: "they are not one person",
    MatchStatus.LINKED: "they are of one household",
    MatchStatus.MERGING: "they are merged at once",
    MatchStatus.LAPSED: "nothing follows",
}
_WHY: Mapping[str, str] = {
    MatchReason.SCORE: "by its score",
    MatchReason.NO_POLICY: "no policy is published",
    MatchReason.REAL_NAMES_DIFFER: "both have a verified real name, and not the same",
    MatchReason.DECIDED_BEFORE: "the policy would merge them, but somebody decided otherwise on other evidence",
    MatchReason.DECIDED: "so it was decided",
    MatchReason.UNMERGED: "they were unmerged",
    MatchReason.SUPERSEDED: "another match stands for the two",
    MatchReason.MEMBER_SUSPENDED: "one of them is suspended",
}


def match_message(match: Match) -> pb.Match:
    """A match."""
    message = pb.Match(
        match_id=ids.encode(MATCH, match.match_id),
        member_id=ids.encode(MEMBER, match.member_id),
        other_id=ids.encode(MEMBER, match.other_id),
        status=STATUSES[match.status],
        score=match.score,
        evidence=evidence_messages(match.evidence),
        reason=match.reason,
        explanation=explanation(match),
        policy=match.policy,
        config_version=match.config_version,
        created_at=timestamp(match.created_at),
        changed_at=timestamp(match.changed_at),
        decided_by=match.decided_by,
        cause=match.cause,
        merge_id="" if match.merge_id is None else ids.encode(MERGE, match.merge_id),
    )
    if match.decided_at is not None:
        message.decided_at.CopyFrom(timestamp(match.decided_at))
    return message


def own_half(match: Match, member_id: UUID) -> pb.Match:
    """A match as the person may read it who is one of the two: who the other one is, is not told."""
    message = match_message(match)
    is_first = match.member_id == member_id
    message.ClearField("other_id" if is_first else "member_id")
    for one in message.evidence:
        one.ClearField("other_identifier_id" if is_first else "identifier_id")
    return message


def evidence_messages(evidence: Iterable[Evidence]) -> list[pb.MatchEvidence]:
    """What speaks for two members being one."""
    return [
        pb.MatchEvidence(
            type=one.type,
            identifier_id=ids.encode(IDENTIFIER, one.identifier_id),
            other_identifier_id=ids.encode(IDENTIFIER, one.other_identifier_id),
            strength=STRENGTHS[one.strength],
            verified=one.is_verified,
            weight=one.weight,
        )
        for one in evidence
    ]


def explanation(match: Match) -> str:
    """What speaks for a match, what follows, and why."""
    parts = [f"{one.type} ({one.strength.name.lower()}) {one.weight}" for one in match.evidence]
    by = f" by {match.policy}" if match.policy else ""
    why = _WHY.get(match.reason, f"not merged because of {match.reason}")
    return f"{' + '.join(parts) or 'nothing shared'} = {match.score}{by}: {_WHAT_FOLLOWS[match.status]}; {why}"


def evaluated_answer(matches: Sequence[Match]) -> bytes:
    """How many matches became something else; nobody but us reads it."""
    return len(matches).to_bytes(COUNT_BYTES, "big")


def decided_answer(match: Match, place: Place) -> bytes:
    """A match is decided. A dry run merges nothing, so there is no merge to tell of."""
    answer = pb.DecideMatchResponse(match=match_message(match))
    if place is None:
        answer.match.merge_id = ""
    else:
        answer.position.CopyFrom(position(place))
    return answer.SerializeToString()
