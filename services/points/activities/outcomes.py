"""What became of an earn rule that was asked about an activity."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.points.budgets.definitions import BudgetKey
from services.points.documents import EarnRule
from services.points.giving import Exact
from services.points.multipliers import Applied
from services.points.values import CapKey

FIRED, CAPPED, BELOW_ONE = 1, 2, 3
FORMULA_FAILED, FORMULA_NEGATIVE = 40, 41
BUDGET_EXHAUSTED, MAX_BALANCE_REACHED = 60, 61
"""The numbers of `tessera.points.v1.RuleOutcome.Verdict`."""


class RuleOutcome(NamedTuple):
    """What one rule did. `problem` says why its formula could not be evaluated."""

    rule: EarnRule
    amount: int
    base_minor: int
    level: str
    multiplier: str
    capped: int
    verdict: int
    cap_key: CapKey | None
    applied: tuple[Applied, ...] = ()
    problem: str = ""
    factor: Exact | None = None
    """Its rate times its multipliers: what it gave for each minor unit of its base; None where it is not so simple."""
    lines: Sequence[int] = ()
    """The numbers of the lines that it looked at; none when it looked at all."""
    budget_key: BudgetKey | None = None
    """The budget that it drew on or found exhausted."""
    cut_by_budget: int = 0
    cut_by_max_balance: int = 0
    cap_group: UUID | None = None
    """The group whose cap it drew on; None where the cap is the member's own."""


class Skipped(NamedTuple):
    """Why a rule was not asked what it gives: a number of `tessera.points.v1.RuleReport.SkipReason`."""

    reason: int
    excluded_by: str = ""


Verdict = RuleOutcome | Skipped
"""What became of a rule."""
NOT_YET_VALID, NO_LONGER_VALID = Skipped(1), Skipped(2)
CONDITION_FALSE, NO_LINE_MATCHES, NOTHING_PAID = Skipped(3), Skipped(5), Skipped(6)
CONDITION_FAILED = 4
EXCLUDED_BY_RULE = 7
