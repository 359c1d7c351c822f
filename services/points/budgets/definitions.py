"""Earn budgets, compiled: how much the rules that name one may give together, and in which period an instant is."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import blake2b
from typing import NamedTuple

from services.chassis.civil import civil_day, period_end, period_start, start_of_day
from services.chassis.documents import Mistakes
from services.points.specs import BudgetSpec
from services.points.units import Unit

PORTIONS = 64
"""How many portions an amount makes unless a document says otherwise: few refills, and little lies idle."""
_ROUTING_BYTES = 2


class BudgetKey(NamedTuple):
    """A budget in one of its periods."""

    budget: str
    period_start: date


@dataclass(frozen=True, slots=True)
class Budget:
    """An earn budget, ready to reckon with; amounts in minor units of its unit."""

    code: str
    programme: str
    unit: Unit
    amount: int
    period: str
    portion: int
    """What a partition gets at a time, if there is enough."""
    valid_from: datetime | None
    valid_until: datetime | None

    def key(self, at: datetime) -> BudgetKey:
        """The budget in the period of an instant."""
        return BudgetKey(self.code, period_start(civil_day(at, self.unit.zone), self.period))

    def renewed_at(self, at: datetime) -> datetime | None:
        """When the period of an instant ends; None when never."""
        end = period_end(civil_day(at, self.unit.zone), self.period)
        return None if end is None else start_of_day(end, self.unit.zone)


def home_of(budget: str) -> int:
    """The routing bits of the partition that a budget lives in."""
    return int.from_bytes(blake2b(budget.encode(), digest_size=_ROUTING_BYTES).digest(), "big")


def compile_budgets(
    specs: Mapping[str, BudgetSpec], given: Collection[str], units: Mapping[str, Unit], mistakes: Mistakes
) -> dict[str, Budget]:
    """The budgets by code; `given` are the codes of all units, `units` those without mistakes. Notes mistakes."""
    budgets = {}
    for code, spec in specs.items():
        if spec.unit not in given:
            mistakes.add(f"budget/{code}.unit", f"there is no unit {spec.unit}")
        elif spec.unit in units:
            unit = units[spec.unit]
            budgets[code] = Budget(
                code=code,
                programme=unit.programme,
                unit=unit,
                amount=spec.amount,
                period="ever" if spec.period == "none" else spec.period,
                portion=spec.portion or max(1, spec.amount // PORTIONS),
                valid_from=spec.valid_from,
                valid_until=spec.valid_until,
            )
    return budgets


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two beginnings, where None is always."""
    return max(one, other) if one is not None and other is not None else one or other


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two ends, where None is never."""
    return min(one, other) if one is not None and other is not None else one or other
