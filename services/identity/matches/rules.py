"""Pure decisions on matches: what speaks for two members being one, how much, and what is to become of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import product
from uuid import UUID

from services.identity.identifiers import rules as identifier_rules
from services.identity.identifiers.values import Holder, Identifier, IdentifierType, Strength
from services.identity.matches.values import (
    FULL_SCORE,
    STATUS_OF,
    Action,
    Evidence,
    Match,
    MatchPolicy,
    MatchReason,
    MatchStatus,
    Outcome,
)
from services.identity.values import Config, Status

ENDED = frozenset({Status.CLOSED, Status.ERASED})
"""Members who meet nobody any more."""
Held = Identifier | Holder
Name = tuple[str, bytes]
"""A verified real name: its type, and the hash of its value."""


def policies_of(config: Config) -> tuple[MatchPolicy, ...]:
    """The policies in force. Where there is none, who share a proof are reviewed."""
    return tuple(config.match_policies.values()) or (without_policy(config),)


def without_policy(config: Config) -> MatchPolicy:
    """What holds while no policy is published."""
    proofs = [kind.code for kind in config.identifier_types.values() if kind.strength is Strength.PROOF]
    return MatchPolicy("", {(code, Strength.PROOF): FULL_SCORE for code in proofs}, None, FULL_SCORE, None)


def types_that_count(policies: Iterable[MatchPolicy]) -> frozenset[str]:
    """The types of which a shared value says something."""
    return frozenset(code for policy in policies for code, _ in policy.weights)


def real_name_types(config: Config) -> frozenset[str]:
    """The types of verified real names."""
    return frozenset(kind.code for kind in config.identifier_types.values() if kind.form == "real-name")


def evidence_of(kind: IdentifierType | None, one: Held, other: Held, at: datetime) -> Evidence:
    """What two identifiers of the same value say."""
    return Evidence(
        type=one.type,
        identifier_id=one.identifier_id,
        other_identifier_id=other.identifier_id,
        strength=min(identifier_rules.strength(kind, each, at) for each in (one, other)),
        is_verified=all(identifier_rules.is_verified(kind, each, at) for each in (one, other)),
    )


def strongest(evidence: Iterable[Evidence]) -> Evidence:
    """What a value says that one of the two holds more than once, through members that were merged into it."""
    return max(evidence, key=_rank)


def _rank(one: Evidence) -> tuple[int, Strength, bool, list[UUID]]:
    return one.weight, one.strength, one.is_verified, sorted(one.known_by[0])


def differing_name(names: Iterable[Name], others: Iterable[Name]) -> str | None:
    """The type of which two members have different verified real names; None when there is none."""
    pairs = product(names, others)
    return min((code for (code, value), (other, held) in pairs if code == other and value != held), default=None)


def judged(policies: Sequence[MatchPolicy], evidence: Sequence[Evidence], *, names_differ: bool) -> Outcome:
    """What the policy says that goes furthest."""
    outcomes = [_judged_by(policy, evidence, names_differ=names_differ) for policy in policies]
    return max(outcomes, key=lambda outcome: (outcome.action, outcome.score, outcome.policy))


def _judged_by(policy: MatchPolicy, evidence: Sequence[Evidence], *, names_differ: bool) -> Outcome:
    """Each type counts once, by its strongest value. Hints say that members are near, not that they are one person."""
    weighed = _weighed(policy, evidence)
    near = min(FULL_SCORE, sum(one.weight for one in weighed))
    score = min(FULL_SCORE, sum(one.weight for one in weighed if one.strength is not Strength.HINT))
    is_proved = any(one.weight and one.strength is Strength.PROOF for one in weighed)
    reason = MatchReason.SCORE if policy.code else MatchReason.NO_POLICY
    is_one = score if not names_differ or is_proved else 0
    if is_proved and _reaches(score, policy.merge_from):
        action = Action.REVIEW if names_differ else Action.MERGE
    elif _reaches(is_one, policy.review_from):
        action = Action.REVIEW
    elif _reaches(near, policy.link_from):
        return Outcome(Action.LINK, near, policy.code, weighed, reason)
    else:
        return Outcome(Action.NOTHING, score, policy.code, weighed, reason)
    reason = MatchReason.REAL_NAMES_DIFFER if names_differ else reason
    return Outcome(action, score, policy.code, weighed, reason)


def _reaches(score: int, threshold: int | None) -> bool:
    return threshold is not None and score >= threshold


def _weighed(policy: MatchPolicy, evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """What the policy gives for each: of a type for the strongest, and for the others nothing."""
    valued = [one._replace(weight=policy.weights.get((one.type, one.strength), 0)) for one in evidence]
    best = {code: strongest(one for one in valued if one.type == code) for code in {one.type for one in valued}}
    each = [one if one is best[one.type] else one._replace(weight=0) for one in valued]
    return tuple(sorted(each, key=_rank, reverse=True))


def concluded(outcome: Outcome, known: Sequence[Match], statuses: Iterable[Status]) -> tuple[MatchStatus, str] | None:
    """What is to become of two members, and why; None when it stays as somebody decided it, or nothing speaks for it.

    On what was decided only new evidence counts, and only for a review: what a person has said no policy overrules.
    """
    held = set(statuses)
    action = Action.NOTHING if held & ENDED else outcome.action
    settled = [match for match in known if match.is_settled]
    seen = {one.known_by for match in settled for one in match.evidence}
    if settled and (action is Action.NOTHING or {one.known_by for one in outcome.evidence} <= seen):
        return None
    if action is Action.NOTHING and not known:
        return None
    if action is Action.MERGE and any(match.decided_at for match in known):
        return MatchStatus.OPEN, MatchReason.DECIDED_BEFORE
    if action is Action.MERGE and Status.SUSPENDED in held:
        return MatchStatus.OPEN, MatchReason.MEMBER_SUSPENDED
    return STATUS_OF[action], outcome.reason


def current(known: Iterable[Match]) -> Match | None:
    """Of the matches of two members, who may have met as others, the one that says what became of them."""
    return max(known, key=lambda match: (match.is_settled, match.changed_at, match.match_id), default=None)


def superfluous(known: Iterable[Match], current: Match | None) -> list[Match]:
    """The others of the matches of two members, as far as they wait for something or say something."""
    others = [match for match in known if match is not current and not match.is_settled]
    return [match for match in others if match.status is not MatchStatus.LAPSED]


def flipped(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """The same, seen from the other member."""
    return tuple(
        one._replace(identifier_id=one.other_identifier_id, other_identifier_id=one.identifier_id) for one in evidence
    )


def becoming(match: Match, outcome: Outcome, status: MatchStatus, reason: str) -> Match:
    """A match as it is when it is judged so."""
    return match._replace(
        score=outcome.score, status=status, reason=reason, policy=outcome.policy, evidence=outcome.evidence
    )


def is_changed(match: Match, becomes: Match) -> bool:
    """Whether a match becomes something else, and is not just judged again."""
    before, after = ({one.known_by for one in each.evidence} for each in (match, becomes))
    telling = ("status", "reason", "score", "policy")
    return before != after or any(getattr(match, name) != getattr(becomes, name) for name in telling)
