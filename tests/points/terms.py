"""Units with different terms, for tests in which anything may happen."""

from typing import Any

from tests.points import builders

CAP = 150
COMMON_CAP, BUDGET, BUDGETED = 100, "spring", 130
"""What a member earns of "common" in a month, and what all of them do."""
MOST_CUT, BUDGETED_CUT = 80, 90
"""What a wallet may have of "cut", and what is given of it in a day."""
TO_NEVER_A_DAY, SENT_A_DAY = 30, 40
"""What may be converted of "sliding", and sent to a partner."""
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
    builders.conversion(
        "to-never", "sliding", "never", "1/2", expiry="keep", cap={"amount": TO_NEVER_A_DAY, "period": "day"}
    ),
    builders.unit("score", "qualifying", approval_above=20),
    builders.rule("for-score", "score"),
]
OF_THE_MODEL = [
    builders.unit("rationed", spend=LIMITS, expiry={"policy": "duration", "days": 25}),
    builders.rule("for-rationed", "rationed", rate="3/2", line_condition='line.category == "BREAD"'),
    builders.unit("stays", expiry={"policy": "duration", "days": 12}),
    builders.rule("for-stays", "stays", pending="until-completed"),
    builders.unit("common"),
    builders.rule(
        "for-common",
        "common",
        multiplier={"ladder": "shopper", "by_level": {"silver": "3/2", "gold": "2"}},
        cap={"amount": COMMON_CAP, "period": "month"},
        budget=BUDGET,
    ),
    builders.budget(BUDGET, BUDGETED, of="common", period="month", portion=7),
    builders.unit(
        "cut",
        expiry={"policy": "duration", "days": 12},
        max_balance=MOST_CUT,
        max_balance_on_earning="cut",
    ),
    builders.rule("for-cut", "cut", multiplier={"ladder": "shopper", "by_level": {"gold": "4/3"}}, budget="of-cut"),
    builders.budget("of-cut", BUDGETED_CUT, of="cut", period="day", portion=9),
    builders.conversion(
        "to-skyline", "monthly", "sky-miles", "2/5", to_partner="skyline", cap={"amount": SENT_A_DAY, "period": "day"}
    ),
    builders.conversion("from-skyline", "sky-miles", "monthly", "3/2", from_partner="skyline"),
]
"""Units more: one that is given for some lines and spent within limits, one that waits for completions, one that level,
cap and a budget of all members decide on, one that is cut to what a wallet may have; and conversions with a partner."""
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
