"""Whatever partitions draw and give back, a budget gives what one counter would, and locks no more than it must."""

from dataclasses import dataclass, field, replace
from datetime import date
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis.operations import Wider
from services.points.budgets.books import BudgetBooks
from services.points.budgets.definitions import Budget, BudgetKey, home_of
from services.points.budgets.values import Draw, Place, Pool, Portion
from services.points.specs import UnitSpec
from services.points.units import Unit

UNIT = Unit("points", "shop", ZoneInfo("UTC"), "CNY", UnitSpec(name="points", kind="spendable"))
KEY = BudgetKey("spring", date(2026, 1, 1))
PARTITIONS = 4


@dataclass
class Database:
    """What all partitions have of one budget, and a counter beside it."""

    budget: Budget
    portions: dict[int, Portion] = field(default_factory=dict)
    pool: Pool | None = None
    drawn: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    locks: int = 0

    @property
    def left(self) -> int:
        return max(0, self.budget.amount - sum(self.drawn.values()))

    def draw(self, partition: int, wanted: int) -> int:
        """What a rule gives that wants so much."""
        place = Place(partition, PARTITIONS)
        locked = {partition}
        while True:
            books = self._load(locked)
            left, is_all = books.left(place, self.budget, KEY)
            if wanted <= left or is_all:
                break
            locked = self._locked_with(locked, books.wider(place, [KEY]))
        amount = min(wanted, left)
        books.draw(place, self.budget, Draw(KEY, amount, is_last=amount < wanted))
        self.drawn[partition] += amount
        self._write(books, locked)
        return amount

    def give_back(self, partition: int, amount: int) -> None:
        place, draw = Place(partition, PARTITIONS), Draw(KEY, amount)
        locked = {partition}
        while (wider := (books := self._load(locked)).wider_to_give_back(place, [draw])) is not None:
            locked = self._locked_with(locked, wider)
        books.give_back(place, self.budget.amount, draw)
        self.drawn[partition] -= amount
        self._write(books, locked)

    def _locked_with(self, locked: set[int], wider: Wider) -> set[int]:
        more = {owner & (PARTITIONS - 1) for owner in wider.along.owners}
        assert not more <= locked, "what is locked already is not asked for again"
        return locked | more

    def _load(self, locked: set[int]) -> BudgetBooks:
        books = BudgetBooks()
        for partition in locked:
            books.note_loaded(partition, [KEY])
            if partition in self.portions:
                books.add_portion(partition, self.portions[partition])
        if self.pool is not None and home_of(KEY.budget) & (PARTITIONS - 1) in locked:
            books.add_pool(self.pool)
        return books

    def _write(self, books: BudgetBooks, locked: set[int]) -> None:
        self.locks += len(locked) - 1
        for partition in range(PARTITIONS):
            rows = books.rows(partition)
            assert not any(rows.values()) or partition in locked, "only what is locked is written"
            for row in rows.get("budget_portions", ()):
                self.portions[partition] = Portion(*row)
            for row in rows.get("budget_pools", ()):
                assert partition == home_of(KEY.budget) & (PARTITIONS - 1)
                self.pool = Pool(*row)

    def check(self) -> None:
        """The books say what the counter says, and nothing is lost between them."""
        leased = sum(portion.leased for portion in self.portions.values())
        assert leased == (self.pool.leased if self.pool is not None else 0)
        for partition, portion in self.portions.items():
            assert portion.drawn == self.drawn[partition]
            assert 0 <= portion.drawn <= portion.leased
        if self.pool is not None:
            assert leased <= max(self.pool.amount, sum(self.drawn.values()))


steps = st.lists(
    st.tuples(st.sampled_from(["draw", "draw", "draw", "back", "amount"]), st.integers(0, 3), st.integers(1, 60)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 200), st.integers(1, 40), steps)
def test_partitions_together_give_what_one_counter_would(
    amount: int, portion: int, drawn: list[tuple[str, int, int]]
) -> None:
    database = Database(Budget("spring", "shop", UNIT, amount, "ever", portion, None, None))
    for what, partition, number in drawn:
        match what:
            case "draw":
                expected = min(number, database.left)
                assert database.draw(partition, number) == expected
            case "back" if database.drawn[partition]:
                database.give_back(partition, min(number, database.drawn[partition]))
            case "amount":
                database.budget = replace(database.budget, amount=5 * number)
        database.check()


def test_drawing_from_a_portion_and_from_an_exhausted_budget_locks_nothing_else() -> None:
    database = Database(Budget("spring", "shop", UNIT, 6400, "ever", 100, None, None))
    drawn = sum(database.draw(partition, 1) for _ in range(1600) for partition in range(PARTITIONS))
    assert (drawn, database.left) == (6400, 0)
    assert database.locks < 300, "one draw in twenty at the most"
    before = database.locks
    assert [database.draw(partition, 5) for partition in range(PARTITIONS)] == [0, 0, 0, 0]
    assert database.locks == before + PARTITIONS - 1, "the first one asks all, and then all know"
    assert [database.draw(partition, 5) for partition in range(PARTITIONS)] == [0, 0, 0, 0]
    assert database.locks == before + PARTITIONS - 1
