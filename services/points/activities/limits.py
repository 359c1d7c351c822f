"""What limits what rules give: caps of a member or a group, budgets of all members, and what a wallet may hold. Pure.

Each limit cuts what the ones before it left: cap, maximum balance, budget. What a rule draws on cap and budget is what
it gives in the end. Source: model.md "Earn rule".
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import NoReturn
from uuid import UUID

from services.chassis.civil import civil_day, period_start
from services.points.activities.outcomes import (
    BUDGET_EXHAUSTED,
    CAPPED,
    FIRED,
    MAX_BALANCE_REACHED,
    RuleOutcome,
)
from services.points.budgets.definitions import Budget, BudgetKey
from services.points.budgets.values import Draw, Left
from services.points.documents import EarnRule
from services.points.specs import EarnCapSpec
from services.points.units import Unit
from services.points.values import CapKey

BudgetLeft = Callable[[Budget, BudgetKey], Left]
GroupUsed = Callable[[CapKey], int | None]
"""How much of a group's cap is used; None where that is not known yet."""
Room = Callable[[Unit], int]
"""How much more of a unit the member may have."""


def _not_known(key: CapKey) -> None:
    """Nothing is known of any group."""


class Limits:
    """What one activity of a member may draw on, and what its rules have drawn so far."""

    __slots__ = (
        *("_at", "_budget_left", "_draws", "_group_id", "_group_used", "_member_id", "_room", "_rooms", "_used"),
        *("given", "lacking", "unknown_caps"),
    )

    def __init__(
        self,
        member_id: UUID,
        at: datetime,
        used: Callable[[CapKey], int],
        budget_left: BudgetLeft,
        room: Room,
        group_id: UUID | None = None,
        group_used: GroupUsed = _not_known,
    ) -> None:
        self._member_id = member_id
        self._at = at
        self._used = used
        self._budget_left = budget_left
        self._room = room
        self._group_id = group_id
        self._group_used = group_used
        self._rooms: dict[str, int] = {}
        self._draws: dict[BudgetKey, Draw] = {}
        self.lacking: list[BudgetKey] = []
        """Budgets of which more is wanted than is left here, and of which there may be more elsewhere."""
        self.unknown_caps: list[CapKey] = []
        """Caps of the group of which it is not known yet how much is used."""
        self.given: dict[tuple[str, str], str] = {}
        """By exclusive group the rule that gave."""

    @property
    def draws(self) -> tuple[Draw, ...]:
        """What is drawn on budgets."""
        return tuple(self._draws.values())

    def limited(self, outcome: RuleOutcome) -> RuleOutcome:
        """What a rule gives after its limits; if that is something, the others of its group give nothing."""
        rule = outcome.rule
        if rule.cap is not None:
            outcome = self._cap(outcome, rule.cap)
        if rule.unit.cuts_at_max_balance and outcome.amount:
            outcome = self._fit(outcome)
        if rule.budget is not None and outcome.amount:
            outcome = self._draw(outcome, rule.budget)
        if rule.exclusive_group is not None and outcome.amount:
            self.given[rule.exclusive_group] = rule.code
        return outcome

    def _cap(self, outcome: RuleOutcome, cap: EarnCapSpec) -> RuleOutcome:
        """No more than is left of the member's cap, or of its group's; who is in none counts alone."""
        rule, group_id = outcome.rule, self._group_id if cap.per == "group" else None
        key = CapKey(group_id or self._member_id, rule.code, cap_period(rule, self._at))
        if group_id is None:
            return _cap(outcome, key, cap.amount - self._used(key))
        used = self._group_used(key)
        if used is None:
            self.unknown_caps.append(key)
        return _cap(outcome, key, cap.amount - (used or 0))._replace(cap_group=group_id)

    def _fit(self, outcome: RuleOutcome) -> RuleOutcome:
        """No more than there is room for in the wallet."""
        unit = outcome.rule.unit
        room = self._rooms.get(unit.code)
        if room is None:
            room = self._room(unit)
        amount = min(outcome.amount, room)
        self._rooms[unit.code] = room - amount
        if amount == outcome.amount:
            return outcome
        cut = outcome.amount - amount
        return outcome._replace(amount=amount, cut_by_max_balance=cut, verdict=MAX_BALANCE_REACHED)

    def _draw(self, outcome: RuleOutcome, budget: Budget) -> RuleOutcome:
        """No more than is left of the budget."""
        key = budget.key(self._at)
        left, is_all = self._budget_left(budget, key)
        drawn = self._draws.get(key, Draw(key, 0))
        amount = min(outcome.amount, left - drawn.amount)
        is_cut = amount < outcome.amount
        if is_cut and not is_all:
            self.lacking.append(key)
        self._draws[key] = Draw(key, drawn.amount + amount, drawn.is_last or is_cut)
        if not is_cut:
            return outcome._replace(budget_key=key)
        cut = outcome.amount - amount
        return outcome._replace(amount=amount, cut_by_budget=cut, budget_key=key, verdict=BUDGET_EXHAUSTED)


def _nothing_left(*asked: object) -> NoReturn:
    raise AssertionError(f"no rule is limited, yet one asks what is left: {asked}")


UNLIMITED = Limits(UUID(int=0), datetime.min, _nothing_left, _nothing_left, _nothing_left)
"""Those of rules of which none has any; shared, since nothing is drawn on them."""


def _cap(outcome: RuleOutcome, key: CapKey, left: int) -> RuleOutcome:
    """The same with no more than what is left of the cap."""
    capped = max(0, outcome.amount - max(0, left))
    verdict = CAPPED if capped else FIRED
    return outcome._replace(amount=outcome.amount - capped, capped=capped, verdict=verdict, cap_key=key)


def cap_period(rule: EarnRule, at: datetime) -> date:
    """The period of a rule's cap at an instant."""
    assert rule.cap is not None
    return period_start(civil_day(at, rule.unit.zone), rule.cap.period)
