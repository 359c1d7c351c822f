"""Reading earn budgets."""

from collections.abc import Sequence
from datetime import datetime

from services.chassis.app import Platform
from services.chassis.errors import Refused
from services.chassis.instants import checked_instant, timestamp
from services.chassis.rpc import Call
from services.points import errors
from services.points.budgets import reads
from services.points.budgets.definitions import Budget, BudgetKey
from services.points.documents import PointsConfig
from tessera.points.v1 import budget_pb2 as pb

DEFAULT_PAGE = 100


class BudgetReads:
    """The methods of the contract that read budgets."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def GetBudget(self, request: pb.GetBudgetRequest, call: Call) -> pb.GetBudgetResponse:
        """One budget."""
        await self._platform.at_least.wait(request.at_least, call)
        _, config = await self._platform.configurations.current(self._platform.pool)
        budget = config.budgets.get(request.budget)
        if budget is None:
            raise Refused(errors.budget_unknown(request.budget))
        (found,) = await self._as_they_are([budget], await self._asked_at(request))
        return pb.GetBudgetResponse(budget=found)

    async def ListBudgets(self, request: pb.ListBudgetsRequest, call: Call) -> pb.ListBudgetsResponse:
        """A page of budgets."""
        await self._platform.at_least.wait(request.at_least, call)
        tokens, size = self._platform.page_tokens, request.page_size or DEFAULT_PAGE
        cursor = tokens.decode(request.page_token, call.method, call.caller.name, request)
        _, config = await self._platform.configurations.current(self._platform.pool)
        if request.unit and request.unit not in config.units:
            raise Refused(errors.unit_unknown(request.unit))
        after = str(cursor[0]) if cursor else ""
        budgets = [
            budget
            for code, budget in sorted(config.budgets.items())
            if code > after and request.unit in ("", budget.unit.code)
        ]
        found = await self._as_they_are(budgets[:size], await self._asked_at(request))
        response = pb.ListBudgetsResponse(budgets=found)
        if len(budgets) > size:
            place = (budgets[size - 1].code,)
            response.next_page_token = tokens.encode(call.method, call.caller.name, request, place)
        return response

    async def _asked_at(self, request: pb.GetBudgetRequest | pb.ListBudgetsRequest) -> datetime:
        """The instant whose periods are asked for. Raises Refused (TIME_OUT_OF_RANGE)."""
        return checked_instant(request.at, "at") if request.HasField("at") else await self._platform.clock.now()

    async def _as_they_are(self, budgets: Sequence[Budget], at: datetime) -> list[pb.Budget]:
        """Budgets in the period of an instant."""
        keys = {budget.code: budget.key(at) for budget in budgets}
        sums: dict[BudgetKey, list[int]] = {key: [0, 0] for key in keys.values()}
        partitions = range(self._platform.settings.partitions)
        for _, portion in await reads.portions(self._platform.pool, partitions, list(keys.values())):
            leased_and_drawn = sums[BudgetKey(portion.budget, portion.period_start)]
            leased_and_drawn[0] += portion.leased
            leased_and_drawn[1] += portion.drawn
        return [_message(budget, at, *sums[keys[budget.code]]) for budget in budgets]


def _message(budget: Budget, at: datetime, leased: int, drawn: int) -> pb.Budget:
    message = pb.Budget(
        budget=budget.code,
        programme=budget.programme,
        unit=budget.unit.code,
        period="none" if budget.period == "ever" else budget.period,
        period_start=budget.key(at).period_start.isoformat(),
        amount=budget.amount,
        drawn=drawn,
        leased=leased,
        left=max(0, budget.amount - drawn),
    )
    for field, instant in (
        (message.period_end, budget.renewed_at(at)),
        (message.valid_from, budget.valid_from),
        (message.valid_until, budget.valid_until),
    ):
        if instant is not None:
            field.CopyFrom(timestamp(instant))
    return message
