"""What is told of budgets."""

from collections.abc import Sequence

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from services.points.budgets.values import Draw, Pool, Portion
from tessera.points.v1 import event_pb2 as pb


def fill_draws(messages: RepeatedCompositeFieldContainer[pb.BudgetDraw], draws: Sequence[Draw]) -> None:
    """What an activity draws on budgets, or gives back; nothing is told of nothing."""
    for draw in draws:
        if draw.amount:
            messages.add(budget=draw.key.budget, period_start=draw.key.period_start.isoformat(), amount=draw.amount)


def budget_portion_changed(portion: Portion) -> bytes:
    """What a partition has of a budget, as it is now but for what was drawn."""
    event = pb.Event()
    changed = event.budget_portion_changed
    changed.budget = portion.budget
    changed.period_start = portion.period_start.isoformat()
    changed.leased = portion.leased
    changed.amount = portion.amount
    changed.exhausted = portion.exhausted
    return event.SerializeToString()


def budget_pool_changed(pool: Pool) -> bytes:
    """What a budget has given to partitions, as it is now."""
    event = pb.Event()
    changed = event.budget_pool_changed
    changed.budget = pool.budget
    changed.period_start = pool.period_start.isoformat()
    changed.leased = pool.leased
    changed.amount = pool.amount
    return event.SerializeToString()


def changed(row: Portion | Pool) -> bytes:
    """A portion or a pool, as it is now."""
    return budget_portion_changed(row) if isinstance(row, Portion) else budget_pool_changed(row)
