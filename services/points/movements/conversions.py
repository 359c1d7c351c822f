"""Conversions between units, compiled, and the proof that no round of them gains. Source: cases.md E13."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.chassis.documents import Mistakes
from services.points.specs import CapSpec, ConversionSpec
from services.points.units import Unit


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion, ready to reckon with. `rate` is minor units of `target` for each minor unit of `source`."""

    code: str
    source: Unit
    target: Unit
    rate: Fraction
    minimum: int
    cap: CapSpec | None
    keeps_expiry: bool


def compile_conversions(
    specs: Mapping[str, ConversionSpec], given: Collection[str], units: Mapping[str, Unit], mistakes: Mistakes
) -> dict[str, Conversion]:
    """The conversions by code; `given` are the codes of all units, `units` those without mistakes. Notes mistakes."""
    conversions = {}
    for code, spec in specs.items():
        for field, unit in (("from", spec.source), ("to", spec.target)):
            if unit not in given:
                mistakes.add(f"conversion/{code}.{field}", f"there is no unit {unit}")
            elif unit in units and not units[unit].is_spendable:
                mistakes.add(f"conversion/{code}.{field}", f"{unit} is a score, which nobody converts")
        if spec.source == spec.target:
            mistakes.add(f"conversion/{code}.to", "must be another unit than the one converted from")
        elif spec.source in units and spec.target in units:
            conversions[code] = Conversion(
                code,
                units[spec.source],
                units[spec.target],
                spec.rate,
                spec.minimum,
                spec.cap,
                spec.expiry == "keep",
            )
    cycle = gaining_cycle(list(conversions.values()))
    if cycle:
        rounds, product = " and ".join(cycle.codes), cycle.rate
        mistakes.add(f"conversion/{cycle.codes[0]}.rate", f"{rounds} make {product} of 1: a round must not gain")
    return conversions


@dataclass(frozen=True, slots=True)
class Path:
    """Conversions one after the other, and what they make of 1."""

    rate: Fraction
    codes: tuple[str, ...]


def gaining_cycle(conversions: Sequence[Conversion]) -> Path | None:
    """A round of conversions that comes back to its unit with more than it began with; None when there is none.

    The best path between any two units, by way of more and more units (Floyd and Warshall): the first round that gains
    is found before any path goes twice through it.
    """
    best: dict[tuple[str, str], Path] = {}
    for conversion in conversions:
        _keep_better(best, conversion.source.code, conversion.target.code, Path(conversion.rate, (conversion.code,)))
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
