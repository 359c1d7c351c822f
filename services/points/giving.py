"""What an earn rule gives for a base of money, before its multipliers and its rounding: exact fractions. Pure."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple

from services.chassis import cel
from services.points.matching import PointsFormula
from services.points.specs import EarnRuleSpec

Exact = tuple[int, int]
"""A numerator and a denominator."""


class Subject(NamedTuple):
    """What rules look at: an activity, its lines, and the member's level on each ladder."""

    activity: Any
    lines: Sequence[Any]
    levels: Mapping[str, str]


class NotGiven(Exception):
    """A formula gives nothing: it cannot be evaluated (`problem`), or is negative."""

    def __init__(self, problem: str = "") -> None:
        super().__init__(problem)
        self.problem = problem


class Giving:
    """A way of giving points."""

    __slots__ = ()
    needs_money = True
    """It gives nothing where nothing was paid."""
    rate: Exact | None = None
    """What it gives for each minor unit of base, or each full part of it; 1 where steps tell. None where it is not so
    simple that it can be kept with what was given."""
    per: int = 0
    """The full parts of base that it counts; 0 where it counts minor units."""
    steps: Sequence[tuple[int, Fraction]] = ()
    """The rates by steps of base that it gives by; each counts for all of the base, unless it `is_marginal`."""
    is_marginal: bool = False

    def exact(self, base: int, line: Any, subject: Subject) -> Exact:
        """What it gives for a base of money: of one line, or (None) of all together. Raises NotGiven."""
        raise NotImplementedError

    def least(self, base: int, whole: int) -> Exact:
        """The least that it gives for any base from `base` to `whole`, where it has a rate: what is kept of what it
        gave for the whole when parts of that came back, in whatever order."""
        raise NotImplementedError

    def subject_of_lines(self, subject: Subject) -> Subject:
        """What it looks at when it is asked line by line."""
        return subject


class Proportional(Giving):
    """So much for each minor unit of base."""

    __slots__ = ("_denominator", "_numerator", "rate")

    def __init__(self, rate: Fraction) -> None:
        self.rate = self._numerator, self._denominator = rate.numerator, rate.denominator

    def exact(self, base: int, line: Any, subject: Subject) -> Exact:
        """The rate times the base."""
        return base * self._numerator, self._denominator

    def least(self, base: int, whole: int) -> Exact:
        """What it gives for the base: the less, the less."""
        return base * self._numerator, self._denominator


class Fixed(Giving):
    """The same whatever was paid."""

    __slots__ = ("_amount",)
    needs_money = False

    def __init__(self, amount: int) -> None:
        self._amount = amount

    def exact(self, base: int, line: Any, subject: Subject) -> Exact:
        """The amount."""
        return self._amount, 1


class EveryFull(Giving):
    """So much for each full part of base: "1 bean per RMB 20"."""

    __slots__ = ("_denominator", "_numerator", "per", "rate")

    def __init__(self, amount: Fraction, per: int) -> None:
        self.rate = self._numerator, self._denominator = amount.numerator, amount.denominator
        self.per = per

    def exact(self, base: int, line: Any, subject: Subject) -> Exact:
        """The amount for each full part; what is left over counts for nothing."""
        return base // self.per * self._numerator, self._denominator

    def least(self, base: int, whole: int) -> Exact:
        """What it gives for the base: the less, the less."""
        return base // self.per * self._numerator, self._denominator


class Table(Giving):
    """A rate by steps of base: of the step reached for all of it, or (marginal) of each step for what lies in it."""

    __slots__ = ("_below", "_denominator", "_rates", "_starts", "is_marginal", "steps")
    rate = (1, 1)

    def __init__(self, steps: Sequence[tuple[int, Fraction]], *, is_marginal: bool) -> None:
        """`steps` ascending; below the first nothing is given."""
        self.steps = steps
        self._starts = [start for start, _ in steps]
        self._denominator = lcm(*(rate.denominator for _, rate in steps))
        self._rates = [int(rate * self._denominator) for _, rate in steps]
        self.is_marginal = is_marginal
        self._below = [0]
        for place in range(1, len(steps)):
            width = self._starts[place] - self._starts[place - 1]
            self._below.append(self._below[-1] + width * self._rates[place - 1])

    def exact(self, base: int, line: Any, subject: Subject) -> Exact:
        """What the base comes to."""
        return self._value(base), self._denominator

    def least(self, base: int, whole: int) -> Exact:
        """A step with a lower rate may come to less than the base below it."""
        bases = [base, *(start for start in self._starts if base < start <= whole)]
        return min(map(self._value, bases)), self._denominator

    def _value(self, base: int) -> int:
        """The numerator of what a base comes to."""
        place = bisect_right(self._starts, base) - 1
        if place < 0:
            return 0
        if self.is_marginal:
            return self._below[place] + (base - self._starts[place]) * self._rates[place]
        return base * self._rates[place]


class ByFormula(Giving):
    """What a formula comes to."""

    __slots__ = ("_formula",)
    needs_money = False

    def __init__(self, formula: PointsFormula) -> None:
        self._formula = formula

    def exact(self, base: int, line: Any, subject: Subject) -> Exact:
        """What it comes to. Raises NotGiven when it cannot be evaluated, or is negative."""
        value = self._formula.value(base, line, subject.activity, subject.levels)
        if isinstance(value, cel.NoValue):
            raise NotGiven(value.problem)
        if value < 0:
            raise NotGiven
        return value, 1

    def subject_of_lines(self, subject: Subject) -> Subject:
        """The activity without its other lines, unless the formula looks at them."""
        return subject._replace(activity=self._formula.activity_of_lines(subject.activity))


def giving_of(spec: EarnRuleSpec) -> Giving:
    """How a rule gives. Raises cel.ExpressionError for its formula."""
    if spec.rate is not None:
        return Proportional(spec.rate)
    if spec.table is not None:
        return Table([(step.start, step.rate) for step in spec.table], is_marginal=spec.table_mode == "marginal")
    if spec.formula is not None:
        return ByFormula(PointsFormula.compile(spec.formula, per_line=spec.rounded_per == "line"))
    assert spec.amount is not None
    return Fixed(spec.amount) if spec.per is None else EveryFull(Fraction(spec.amount), spec.per)
