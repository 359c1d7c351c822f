"""What multiplies what an earn rule gives: levels and campaigns, and how several of them stack. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from services.points.matching import ActivityCondition
from services.points.specs import MultiplierSpec

MAX_REMEMBERED = 4_096
"""Combinations of multipliers whose total is remembered: a programme has few."""
ONE = Fraction(1)


class Applied(NamedTuple):
    """A multiplier that applied; `level` is the one it was chosen by, empty for a campaign."""

    code: str
    factor: str
    level: str


class Factor(NamedTuple):
    """What multipliers come to together: exact, as it is shown, and each one that the rule has to tell of."""

    numerator: int
    denominator: int
    multiplier: str
    applied: tuple[Applied, ...] = ()


NO_FACTOR = Factor(1, 1, "1")


@dataclass(frozen=True, slots=True)
class ByLevel:
    """Multiplies by the member's level on a ladder."""

    code: str
    ladder: str
    factors: Mapping[str, str]

    def applies(self, activity: Any, levels: Mapping[str, str], at: datetime) -> Applied | None:
        """How it applies; None on a level that it does not name."""
        level = levels.get(self.ladder, "")
        factor = self.factors.get(level)
        return None if factor is None else Applied(self.code, factor, level)


@dataclass(frozen=True, slots=True)
class Campaign:
    """Multiplies for a time, under a condition."""

    applied: Applied
    condition: ActivityCondition | None
    valid_from: datetime | None
    valid_until: datetime | None

    def applies(self, activity: Any, levels: Mapping[str, str], at: datetime) -> Applied | None:
        """How it applies, if it does."""
        if not is_valid(self.valid_from, self.valid_until, at):
            return None
        if self.condition is not None and not self.condition.holds(activity, levels):
            return None
        return self.applied


@dataclass(frozen=True, slots=True)
class Stack:
    """The multipliers of a rule. One by level alone is looked up; others are asked one after the other."""

    stacking: str
    multipliers: tuple[ByLevel | Campaign, ...]
    ladders: tuple[str, ...]
    by_level: Mapping[str, Factor] | None
    """What each level comes to, when the only multiplier is by level, or there is none; others are NO_FACTOR."""

    def level(self, levels: Mapping[str, str]) -> str:
        """The level that is recorded: on the first of the ladders on which the member has one."""
        for ladder in self.ladders:
            if level := levels.get(ladder, ""):
                return level
        return ""

    def stacked(self, activity: Any, levels: Mapping[str, str], at: datetime) -> Factor:
        """What the multipliers that apply come to; 1 when none does."""
        asked = [multiplier.applies(activity, levels, at) for multiplier in self.multipliers]
        return stacked(self.stacking, tuple([applied for applied in asked if applied is not None]))


def is_valid(valid_from: datetime | None, valid_until: datetime | None, at: datetime) -> bool:
    """Whether an instant lies in `[valid_from, valid_until)`; an end that is not given is open."""
    return (valid_from is None or at >= valid_from) and (valid_until is None or at < valid_until)


@lru_cache(maxsize=MAX_REMEMBERED)
def stacked(stacking: str, applied: tuple[Applied, ...]) -> Factor:
    """Multipliers together: 1 + Σ(factor − 1) but not below 0, their product, or the best of them."""
    factors = [Fraction(one.factor) for one in applied]
    total = _total(stacking, factors)
    return Factor(total.numerator, total.denominator, str(total), applied)


def _total(stacking: str, factors: Sequence[Fraction]) -> Fraction:
    match stacking:
        case "add":
            return max(Fraction(0), ONE + sum((factor - ONE for factor in factors), Fraction(0)))
        case "multiply":
            return prod(factors, start=ONE)
        case _:
            return max(factors, default=ONE)


def by_level_alone(spec: MultiplierSpec | None) -> Stack:
    """The stack of one multiplier by level, or of none."""
    if spec is None:
        return Stack("add", (), (), {})
    factors = {level: Factor(f.numerator, f.denominator, str(f)) for level, f in spec.by_level.items()}
    return Stack("add", (), (spec.ladder,), factors)
