"""Units with different terms, for tests in which anything may happen."""

from typing import Any

from tests.points import builders

CAP = 150
SMALL = "activity.lines.all(line, line.cash_minor < 20)"
LIMITS = {
    "minimum": 4,
    "multiple_of": 2,
    "max_per_transaction": 30,
    "max_per_day": 40,
    "max_order_share": "1/2",
    "minor_per_point": "1",
}
SPECS: dict[str, dict[str, Any]] = {
    "never": {"negative_balance": "forgive", "gift": {"max_per_day": 40}, "pooling": {}},
    "monthly": {"expiry": {"policy": "end-of-month", "months": 1}, "max_balance": 200},
    "waiting": {"pending_days": 3, "expiry": {"policy": "duration", "days": 10}},
    "sliding": {
        "expiry": {"policy": "sliding", "days": 20},
        "refund": "min-validity",
        "min_validity_days": 15,
        "gift": {},
        "approval_above": 20,
    },
    "lasting": {
        "expiry": {"policy": "duration", "days": 12},
        "refund": "min-validity",
        "min_validity_days": 20,
        "negative_balance": "deduct-from-cash",
        "gift": {"acceptance": "required", "acceptance_days": 3},
        "pooling": {"order": "own-first"},
    },
    "capped": {},
}
RULES: dict[str, dict[str, Any]] = {
    "monthly": {"rate": "2/3"},
    "capped": {"cap": {"amount": CAP, "period": "month"}},
}
DOCUMENTS = [
    *(builders.unit(code, **spec) for code, spec in SPECS.items()),
    *(builders.rule(f"for-{code}", code, **RULES.get(code, {})) for code in SPECS),
    builders.conversion("to-lasting", "never", "lasting", "2/3"),
    builders.conversion("to-never", "sliding", "never", "1/2", expiry="keep", cap={"amount": 30, "period": "day"}),
    builders.unit("score", "qualifying"),
    builders.rule("for-score", "score"),
]
OF_THE_MODEL = [
    builders.unit("rationed", spend=LIMITS, expiry={"policy": "duration", "days": 25}),
    builders.rule("for-rationed", "rationed", rate="3/2", line_condition='line.category == "BREAD"'),
    builders.unit("stays", expiry={"policy": "duration", "days": 12}),
    builders.rule("for-stays", "stays", pending="until-completed"),
]
"""Two units more: one that is given for some lines and spent within limits, one that waits for completions."""
OF_ALL_KINDS = [
    builders.unit("shared", expiry={"policy": "duration", "days": 12}),
    builders.rule(
        "shares",
        "shared",
        rate="1/3",
        funders={"platform": 60, "bakery": 25, "mill": 15},
        cap={"amount": 60, "period": "month"},
        multipliers={"stacking": "multiply", "of": [{"code": "small", "factor": "2", "condition": SMALL}]},
        exclusive_group="shared",
        priority=1,
    ),
    builders.rule("after-the-cap", "shared", rate="0.1", exclusive_group="shared"),
]
"""A unit whose rules have funders that share, stacked multipliers, a cap, and one that gives when that is used up."""
