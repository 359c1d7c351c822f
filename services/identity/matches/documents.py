"""The document `match-policy`: from which evidence on members are merged, reviewed, or linked as of one household."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from services.chassis.documents import Code, Document, Mistakes, Spec
from services.identity.identifiers.values import IdentifierType, Strength
from services.identity.matches.values import FULL_SCORE, MatchPolicy

MAX_TYPES = 100
"""More types of identifiers nobody has."""
Weight = Annotated[int, Field(ge=0, le=FULL_SCORE)]
Threshold = Annotated[int, Field(ge=1, le=FULL_SCORE)]


class WeightsSpec(Spec):
    """What a shared value of a type gives, by how much it says at the weaker of the two members; what is left out gives
    as much as what says less."""

    proof: Weight | None = None
    evidence: Weight | None = None
    hint: Weight | None = None


class MatchPolicySpec(Spec):
    """Weights by type, and the scores from which on something is done; what is left out is never done."""

    name: str
    weights: Annotated[dict[Code, WeightsSpec], Field(min_length=1, max_length=MAX_TYPES)]
    merge_from: Threshold | None = None
    review_from: Threshold | None = None
    link_from: Threshold | None = None


def check_policy(
    document: Document, spec: MatchPolicySpec, types: Mapping[str, IdentifierType], mistakes: Mistakes
) -> None:
    """Note what is wrong with a policy beyond the form of its fields."""
    for code, weights in spec.weights.items():
        place = f"{document.name}.weights.{code}"
        if code not in types:
            mistakes.add(place, "no type of identifier has this code")
            continue
        for strength, weight in _given(weights).items():
            if weight is not None and strength > types[code].strength:
                mistakes.add(f"{place}.{_name(strength)}", f"a {code} is never more than {_name(types[code].strength)}")
        resolved = list(_by_strength(weights).values())
        if resolved != sorted(resolved):
            mistakes.add(place, "what says less gives no more")
    if spec.merge_from is None and spec.review_from is None and spec.link_from is None:
        mistakes.add(document.name, "says of no score what is done; give merge_from, review_from or link_from")
    if spec.merge_from is not None and not any(_proves(types.get(code)) for code in spec.weights):
        mistakes.add(f"{document.name}.merge_from", "nothing is merged without a proof: give the weight of one")
    if spec.merge_from is not None and spec.review_from is not None and spec.merge_from < spec.review_from:
        mistakes.add(f"{document.name}.merge_from", "is less than review_from: nothing would be reviewed")


def match_policy(code: str, spec: MatchPolicySpec) -> MatchPolicy:
    """A policy as the rules use it."""
    return MatchPolicy(
        code=code,
        weights={
            (type_code, strength): weight
            for type_code, weights in spec.weights.items()
            for strength, weight in _by_strength(weights).items()
            if weight
        },
        merge_from=spec.merge_from,
        review_from=spec.review_from,
        link_from=spec.link_from,
    )


def _given(weights: WeightsSpec) -> dict[Strength, int | None]:
    """What stands there, from the least to the most."""
    return {Strength.HINT: weights.hint, Strength.EVIDENCE: weights.evidence, Strength.PROOF: weights.proof}


def _by_strength(weights: WeightsSpec) -> dict[Strength, int]:
    """What each strength gives, from the least to the most."""
    resolved, less = {}, 0
    for strength, weight in _given(weights).items():
        resolved[strength] = less = less if weight is None else weight
    return resolved


def _proves(kind: IdentifierType | None) -> bool:
    return kind is not None and kind.strength is Strength.PROOF


def _name(strength: Strength) -> str:
    return strength.name.lower()
