"""Conversions between units, compiled, and the proof that no round of them gains. Source: cases.md E13."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from services.chassis.documents import Mistakes
from services.points.movements.terms import Terms, terms_of
from services.points.specs import ConversionSpec
from services.points.units import Unit


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion, ready to reckon with."""

    code: str
    source: Unit
    target: Unit
    terms: Terms
    keeps_expiry: bool


def compile_conversions(
    specs: Mapping[str, ConversionSpec], given: Collection[str], units: Mapping[str, Unit], mistakes: Mistakes
) -> dict[str, Conversion]:
    """The conversions within the programme by code; `given` are the codes of all units, `units` those without mistakes.

    Those with a partner are left out. Notes mistakes.
    """
    conversions = {}
    for code, spec in specs.items():
        if spec.from_partner or spec.to_partner:
            continue
        check_unit(f"conversion/{code}.from", spec.source, given, units, mistakes)
        check_unit(f"conversion/{code}.to", spec.target, given, units, mistakes)
        if spec.source == spec.target:
            mistakes.add(f"conversion/{code}.to", "must be another unit than the one converted from")
        elif spec.source in units and spec.target in units:
            source, target = units[spec.source], units[spec.target]
            conversions[code] = Conversion(code, source, target, terms_of(spec), spec.expiry == "keep")
    return conversions


def check_unit(field: str, unit: str, given: Collection[str], units: Mapping[str, Unit], mistakes: Mistakes) -> None:
    """Note it when there is no such unit, or when it is a score."""
    if unit not in given:
        mistakes.add(field, f"there is no unit {unit}")
    elif unit in units and not units[unit].is_spendable:
        mistakes.add(field, f"{unit} is a score, which nobody converts")


class Leg(NamedTuple):
    """A conversion from a unit to a unit, which a partner's name stands before where it is a partner's."""

    code: str
    source: str
    target: str
    rate: Fraction
    """The most that 1 can become."""


def check_rounds(legs: Sequence[Leg], mistakes: Mistakes) -> None:
    """Note it when a round of conversions can gain, whether within the programme or by way of partners."""
    cycle = gaining_cycle(legs)
    if cycle:
        rounds, product = " and ".join(cycle.codes), cycle.rate
        mistakes.add(f"conversion/{cycle.codes[0]}.rate", f"{rounds} make {product} of 1: a round must not gain")


@dataclass(frozen=True, slots=True)
class Path:
    """Conversions one after the other, and what they make of 1."""

    rate: Fraction
    codes: tuple[str, ...]


def gaining_cycle(legs: Sequence[Leg]) -> Path | None:
    """A round of conversions that comes back to its unit with more than it began with; None when there is none.

    The best path between any two units, by way of more and more units (Floyd and Warshall): the first round that gains
    is found before any path goes twice through it.
    """
    best: dict[tuple[str, str], Path] = {}
    for leg in legs:
        _keep_better(best, leg.source, leg.target, Path(leg.rate, (leg.code,)))
    codes = sorted({code for ends in best for code in ends})
    for by in codes:
        for start in codes:
            for end in codes:
                first, second = best.get((start, by)), best.get((by, end))
                if first is None or second is None:
                    continue
                path = Path(first.rate * second.rate, first.codes + second.codes)
                if start == end and path.rate > 1:
                    return path
                if start != end:
                    _keep_better(best, start, end, path)
    return None


def _keep_better(best: dict[tuple[str, str], Path], start: str, end: str, path: Path) -> None:
    known = best.get((start, end))
    if known is None or path.rate > known.rate:
        best[start, end] = path
