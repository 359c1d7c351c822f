"""What partitions have of earn budgets while a batch is decided: portions, pools, and how points move between them.

The pool of a budget lives in the partition of the hash of its code. Each partition gives from a portion that it got of
the pool; one that has not enough left is decided together with the pool, and only where that has not enough either with
all partitions, of which each then gives back what it did not use. So nobody is told that a budget is exhausted while
anything is left anywhere, and the sum of portions never exceeds the amount. Source: partitions.md "Shared limits".

Pure but for what it keeps: nothing is read here, and the same commands in the same order lead to the same rows, however
they are split into batches.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from services.chassis.operations import Wider
from services.chassis.store import Rows
from services.points.budgets.commands import LoadBudgets
from services.points.budgets.definitions import Budget, BudgetKey, home_of
from services.points.budgets.values import Draw, Left, Place, Pool, Portion

Tell = Callable[[int, Portion | Pool], None]
"""Told of every portion and pool that changed by more than what was drawn, with its partition."""


class BudgetBooks:
    """The portions and pools of the partitions that a batch has locked, as they were loaded and as they become."""

    def __init__(self, tell: Tell | None = None) -> None:
        self._tell = tell
        self._portions: dict[tuple[int, BudgetKey], Portion] = {}
        self._pools: dict[BudgetKey, Pool] = {}
        self._loaded: dict[BudgetKey, set[int]] = defaultdict(set)
        """Partitions whose rows were loaded beside those of the command's own."""
        self._changed: dict[int, dict[str, dict[BudgetKey, Portion | Pool]]] = defaultdict(lambda: defaultdict(dict))

    # As they were loaded

    def add_portion(self, partition: int, portion: Portion) -> None:
        """A portion as it was loaded."""
        self._portions[partition, BudgetKey(*portion[:2])] = portion

    def add_pool(self, pool: Pool) -> None:
        """A pool as it was loaded."""
        self._pools[BudgetKey(*pool[:2])] = pool

    def note_loaded(self, partition: int, keys: Iterable[BudgetKey]) -> None:
        """All that a partition has of some budgets is loaded, if there is any."""
        for key in keys:
            self._loaded[key].add(partition)

    # What rules ask

    def left(self, place: Place, budget: Budget, key: BudgetKey) -> Left:
        """What a partition may draw on a budget, as far as the batch sees."""
        if self._sees_all(place, key):
            return Left(max(0, budget.amount - self._drawn(key, place.partitions)), True)
        mine = self._portion(place.partition, key, budget.amount)
        if mine.amount != budget.amount:
            return Left(0, False)
        pool = self._pool(key, budget.amount)
        from_pool = pool.left if self._sees_pool(place, key) and pool.amount == budget.amount else 0
        return Left(mine.left + from_pool, mine.exhausted)

    def wider(self, place: Place, keys: Sequence[BudgetKey]) -> Wider:
        """What has to be locked as well to draw on budgets that have not enough left here."""
        everywhere = any(self._sees_pool(place, key) for key in keys)
        owners = range(place.partitions) if everywhere else map(home_of, (key.budget for key in keys))
        return Wider(LoadBudgets(tuple(keys), tuple(owners)))

    def wider_for_all(self, place: Place, keys: Iterable[BudgetKey]) -> Wider | None:
        """What has to be locked as well for all partitions to be seen; None when they are."""
        unseen = tuple(key for key in keys if not self._sees_all(place, key))
        return Wider(LoadBudgets(unseen, tuple(range(place.partitions)))) if unseen else None

    def wider_to_give_back(self, place: Place, draws: Iterable[Draw]) -> Wider | None:
        """What has to be locked as well to give back to budgets: all partitions, where they think that nothing is
        left."""
        exhausted = [draw.key for draw in draws if self._portion(place.partition, draw.key, 0).exhausted]
        return self.wider_for_all(place, exhausted)

    # What becomes of it

    def draw(self, place: Place, budget: Budget, draw: Draw) -> None:
        """Draw on a budget what `left` allowed; a portion of the pool is leased where its own is not enough."""
        mine = self._portion(place.partition, draw.key, budget.amount)
        if mine.exhausted and mine.amount == budget.amount:
            return
        pool = self._pool(draw.key, budget.amount)
        missing = draw.amount - mine.left
        is_current = mine.amount == budget.amount and (missing <= 0 or pool.amount == budget.amount)
        if draw.is_last or not is_current or missing > pool.left:
            self._recall(draw.key, budget.amount, place.partitions)
            mine = self._portion(place.partition, draw.key, budget.amount)
            missing = draw.amount - mine.left
        if missing > 0:
            self._lease(place, budget, draw.key, missing)
        self._add_drawn(place.partition, draw.key, draw.amount)
        if draw.is_last:
            self._mark_exhausted(draw.key, place.partitions)

    def give_back(self, place: Place, amount: int, draw: Draw) -> None:
        """Give back what was drawn on a budget, whose amount is `amount` today (0 when it is configured no more)."""
        was_exhausted = self._portion(place.partition, draw.key, amount).exhausted
        self._add_drawn(place.partition, draw.key, -draw.amount)
        if was_exhausted:
            self._recall(draw.key, amount, place.partitions)
            if not self._pool(draw.key, amount).left:
                self._mark_exhausted(draw.key, place.partitions)

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """Rows to write, by table."""
        return {table: list(changed.values()) for table, changed in self._changed[partition].items()}

    def _lease(self, place: Place, budget: Budget, key: BudgetKey, missing: int) -> None:
        """A portion of the pool for a partition: what it misses, and more while the pool has much."""
        pool, mine = self._pool(key, budget.amount), self._portion(place.partition, key, budget.amount)
        leased = max(missing, min(budget.portion, pool.left // (2 * place.partitions)))
        self._put_pool(key, pool._replace(leased=pool.leased + leased), place.partitions)
        self._put_portion(place.partition, key, mine._replace(leased=mine.leased + leased))

    def _recall(self, key: BudgetKey, amount: int, partitions: int) -> None:
        """Every partition gives back what it did not use, and learns what the budget's amount is now."""
        for partition, portion in self._portions_of(key, partitions):
            returned = portion._replace(leased=portion.drawn, amount=amount, exhausted=False)
            self._put_portion(partition, key, returned)
        self._put_pool(key, Pool(*key, self._drawn(key, partitions), amount), partitions)

    def _mark_exhausted(self, key: BudgetKey, partitions: int) -> None:
        """Let every partition know that nothing is left in any."""
        amount = self._pools[key].amount
        for partition in range(partitions):
            portion = self._portion(partition, key, amount)
            self._put_portion(partition, key, portion._replace(exhausted=True))

    def _add_drawn(self, partition: int, key: BudgetKey, amount: int) -> None:
        if amount:
            portion = self._portions[partition, key]
            self._put_portion(partition, key, portion._replace(drawn=portion.drawn + amount))

    def _put_portion(self, partition: int, key: BudgetKey, portion: Portion) -> None:
        before = self._portions.get((partition, key))
        self._portions[partition, key] = portion
        self._changed[partition]["budget_portions"][key] = portion
        if self._tell is not None and (before is None or before._replace(drawn=portion.drawn) != portion):
            self._tell(partition, portion)

    def _put_pool(self, key: BudgetKey, pool: Pool, partitions: int) -> None:
        partition = home_of(key.budget) & (partitions - 1)
        before, self._pools[key] = self._pools.get(key), pool
        self._changed[partition]["budget_pools"][key] = pool
        if self._tell is not None and before != pool:
            self._tell(partition, pool)

    def _portion(self, partition: int, key: BudgetKey, amount: int) -> Portion:
        return self._portions.get((partition, key)) or Portion(*key, 0, 0, amount, False)

    def _pool(self, key: BudgetKey, amount: int) -> Pool:
        return self._pools.get(key) or Pool(*key, 0, amount)

    def _portions_of(self, key: BudgetKey, partitions: int) -> list[tuple[int, Portion]]:
        return [
            (partition, portion)
            for partition in range(partitions)
            if (portion := self._portions.get((partition, key))) is not None
        ]

    def _drawn(self, key: BudgetKey, partitions: int) -> int:
        return sum(portion.drawn for _, portion in self._portions_of(key, partitions))

    def _sees_pool(self, place: Place, key: BudgetKey) -> bool:
        home = home_of(key.budget) & (place.partitions - 1)
        return home == place.partition or home in self._loaded[key]

    def _sees_all(self, place: Place, key: BudgetKey) -> bool:
        return len(self._loaded[key] | {place.partition}) == place.partitions
