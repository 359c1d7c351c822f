"""Six units with different terms, for tests in which anything may happen."""

from typing import Any

from tests.points import builders

CAP = 150
SPECS: dict[str, dict[str, Any]] = {
    "never": {"negative_balance": "forgive"},
    "monthly": {"expiry": {"policy": "end-of-month", "months": 1}},
    "waiting": {"pending_days": 3, "expiry": {"policy": "duration", "days": 10}},
    "sliding": {"expiry": {"policy": "sliding", "days": 20}, "refund": "min-validity", "min_validity_days": 15},
    "lasting": {
        "expiry": {"policy": "duration", "days": 12},
        "refund": "min-validity",
        "min_validity_days": 20,
        "negative_balance": "deduct-from-cash",
    },
    "capped": {},
}
DOCUMENTS = [
    *(builders.unit(code, **spec) for code, spec in SPECS.items()),
    *(builders.rule(f"for-{code}", code) for code in SPECS if code != "capped"),
    builders.rule("for-capped", "capped", cap={"amount": CAP, "period": "month"}),
    builders.conversion("to-lasting", "never", "lasting", "2/3"),
    builders.conversion("to-never", "sliding", "never", "1/2", expiry="keep", cap={"amount": 30, "period": "day"}),
    builders.unit("score", "qualifying"),
    builders.rule("for-score", "score"),
]
