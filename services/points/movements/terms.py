"""How much a conversion makes: its rate for an amount and a level, less the spread, its minimum and its cap. Pure.

Sources: model.md "Convert between units (rate, spread, caps, rounding that can never gain)"; cases.md E13.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from services.chassis.errors import Rejection
from services.points.errors import conversion_below_minimum
from services.points.specs import CapSpec, ConversionSpec

_ONE = Fraction(1)


class Exchanged(NamedTuple):
    """What is given for what is taken, at which rate; `level` is the one that the rate was chosen by, if any."""

    debited: int
    credited: int
    rate: Fraction
    level: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a conversion gives. Rates are minor units of its target for each minor unit of its source, before `kept`.

    The step that the amount reaches holds for all of it; `factors` multiply by the level on `ladder`, 1 unless named.
    """

    steps: tuple[tuple[int, Fraction], ...]
    ladder: str
    factors: Mapping[str, Fraction]
    kept: Fraction
    """What the spread leaves: 1 − spread."""
    minimum: int
    cap: CapSpec | None

    @property
    def best_rate(self) -> Fraction:
        """The most that 1 can become."""
        return max(rate for _, rate in self.steps) * max([_ONE, *self.factors.values()]) * self.kept

    def exchange(self, amount: int, levels: Mapping[str, str]) -> Exchanged | Rejection:
        """As much as `amount` makes, for the least that makes it; what does not make a whole one stays."""
        reached = [rate for start, rate in self.steps if start <= amount]
        if not reached:
            return conversion_below_minimum(max(self.minimum, self.steps[0][0]), amount)
        level = levels.get(self.ladder, "")
        rate = reached[-1] * self.factors.get(level, _ONE) * self.kept
        least = max(self.minimum, ceil(1 / rate))
        if amount < least:
            return conversion_below_minimum(least, amount)
        credited = floor(amount * rate)
        return Exchanged(ceil(credited / rate), credited, rate, level)


def terms_of(spec: ConversionSpec) -> Terms:
    """The terms of a conversion's document."""
    steps = [(step.start, step.rate) for step in spec.table] if spec.table else [(0, spec.rate or _ONE)]
    multiplier = spec.multiplier
    return Terms(
        steps=tuple(steps),
        ladder=multiplier.ladder if multiplier else "",
        factors=dict(multiplier.by_level) if multiplier else {},
        kept=1 - spec.spread,
        minimum=spec.minimum,
        cap=spec.cap,
    )
