"""Conversions with outside partners, compiled. Source: cases.md E14."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from services.chassis.documents import Mistakes
from services.points.movements.conversions import Leg, check_unit
from services.points.movements.terms import Terms, terms_of
from services.points.specs import ConversionSpec, PartnerSpec
from services.points.units import Unit


@dataclass(frozen=True, slots=True)
class Partner:
    """An outside partner that exchanges units, and how it is reached."""

    code: str
    domain: str
    address: str
    tls: bool
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """A conversion with a partner, ready to reckon with: of `unit` to the partner's, or the other way round."""

    code: str
    unit: Unit
    partner: Partner
    partner_unit: str
    is_outgoing: bool
    terms: Terms
    funder: str
    """Who funds what comes in."""

    @property
    def leg(self) -> Leg:
        """What it does to units, for the proof that no round gains."""
        ours, theirs = self.unit.code, f"{self.partner.code} {self.partner_unit}"
        source, target = (ours, theirs) if self.is_outgoing else (theirs, ours)
        return Leg(self.code, source, target, self.terms.best_rate)


def compile_partners(specs: Mapping[str, PartnerSpec]) -> dict[str, Partner]:
    """The partners that exchange units, by code."""
    return {
        code: Partner(code, spec.domain, spec.exchange.address, spec.exchange.tls, spec.exchange.timeout_ms / 1000)
        for code, spec in specs.items()
        if spec.exchange is not None
    }


def compile_exchanges(
    specs: Mapping[str, ConversionSpec],
    given: Collection[str],
    units: Mapping[str, Unit],
    partners: Mapping[str, Partner],
    mistakes: Mistakes,
) -> dict[str, Exchange]:
    """The conversions with partners by code; `given` are the codes of all units, `units` those without mistakes."""
    exchanges = {}
    for code, spec in specs.items():
        name = spec.to_partner or spec.from_partner
        if name is None:
            continue
        ends = ("from", spec.source, spec.target) if spec.to_partner else ("to", spec.target, spec.source)
        field, ours, theirs = ends
        check_unit(f"conversion/{code}.{field}", ours, given, units, mistakes)
        if name not in partners:
            of_partner = "to_partner" if spec.to_partner else "from_partner"
            mistakes.add(f"conversion/{code}.{of_partner}", f"there is no partner {name} that exchanges")
        elif ours in units:
            exchanges[code] = Exchange(
                code, units[ours], partners[name], theirs, bool(spec.to_partner), terms_of(spec), spec.funder or name
            )
    return exchanges
