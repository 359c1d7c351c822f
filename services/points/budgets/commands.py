"""What a batch loads of budgets to decide a command that its own partition cannot decide alone."""

from dataclasses import dataclass

from services.points.budgets.definitions import BudgetKey


@dataclass(frozen=True, slots=True)
class LoadBudgets:
    """Lock some partitions and load what they have of budgets. Nothing is ever decided on it."""

    keys: tuple[BudgetKey, ...]
    owners: tuple[int, ...]
    """Routing bits: the budget's home, or the number of every partition."""
    request: None = None
    validate_only: bool = False
