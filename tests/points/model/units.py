"""The units of the model, and what each promises: what `tests.points.terms` says in documents."""

from fractions import Fraction
from typing import Any

from tests.points import terms
from tests.points.model.promises import Limits

TERMS: dict[str, dict[str, Any]] = {
    "never": {"shortage": "forgive"},
    "monthly": {"end_of_next_month": True, "rate": Fraction(2, 3), "most": 200},
    "waiting": {"pending_days": 3, "days": 10},
    "sliding": {"sliding_days": 20, "min_validity_days": 15, "alone": 20},
    "lasting": {"days": 12, "min_validity_days": 20, "shortage": "deduct-from-cash"},
    "capped": {"cap": terms.CAP},
    "rationed": {
        "days": 25,
        "rate": Fraction(3, 2),
        "category": "BREAD",
        "limits": Limits(4, 2, 30, 40, Fraction(1, 2)),
    },
    "stays": {"days": 12, "until_completed": True},
    "common": {"cap": terms.COMMON_CAP, "factors": {"silver": Fraction(3, 2), "gold": Fraction(2)}},
    "cut": {"days": 12, "most": terms.MOST_CUT, "cuts": True, "factors": {"gold": Fraction(4, 3)}},
}
UNITS = sorted(TERMS)
