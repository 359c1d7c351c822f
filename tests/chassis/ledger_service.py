"""The ledger as a service that is called, `LEDGER`, and `MIRROR`, which follows it and books the same.

`python -m tests.chassis.ledger_service mirror` serves as a process of its own.
"""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.chassis import idempotency, ids
from services.chassis.app import Definition, Platform, start
from services.chassis.civil import next_midnight
from services.chassis.jobs import Job
from services.chassis.lanes import Lanes
from services.chassis.process import run_service
from services.chassis.replies import unary_reply
from services.chassis.rpc import Call
from services.chassis.settings import ServiceSettings, load_settings
from services.chassis.telemetry import current_traceparent
from services.chassis.verdicts import OK
from tests.chassis import ledger_contract
from tests.chassis.ledger import METADATA, LedgerConfig, Move, compile_documents, operations, parse_moved
from tests.chassis.ledger_contract import Balance

JOB_ACCOUNT = ids.from_int(0)
"""The account on which the job books."""


class LedgerServicer:
    """Serves the contract."""

    def __init__(self, platform: Platform[LedgerConfig]) -> None:
        self._platform = platform

    async def Move(self, request: Any, call: Call) -> Any:
        return await self._move("Move", 1, request, call)

    async def Take(self, request: Any, call: Call) -> Any:
        return await self._move("Take", -1, request, call)

    async def _move(self, method: str, sign: int, request: Any, call: Call) -> Any:
        await self._platform.at_least.wait(request.at_least, call)
        account, amount, dry = ids.decode("account", request.account), sign * request.amount, request.validate_only
        command = Move(account, amount, idempotency.identify(call.caller.name, method, request), dry)
        lanes: Lanes = self._platform.lanes
        (outcome,) = await lanes.submit([command], deadline=call.deadline, traceparent=current_traceparent())
        return unary_reply(outcome)

    async def GetBalance(self, request: Any, call: Call) -> Any:
        await self._platform.at_least.wait(request.at_least, call)
        balance = await self._platform.pool.fetchval(
            "SELECT balance FROM accounts WHERE account_id = $1", ids.decode("account", request.account)
        )
        return Balance(balance=balance or 0)


def _jobs(platform: Platform[LedgerConfig]) -> Sequence[Job[LedgerConfig]]:
    """Books 1 at each midnight of the calendar."""

    async def run(instant: datetime) -> None:
        outcome = await platform.lanes.one(Move(JOB_ACCOUNT, 1))
        if outcome.code != OK:
            raise RuntimeError(f"not booked: {outcome.status()}")

    def next_instant(config: LedgerConfig, after: datetime) -> datetime | None:
        return next_midnight(after, config.zone) if config.zone else None

    return [Job("book-one", next_instant, run)]


LEDGER = Definition(
    name="ledger",
    metadata=METADATA,
    operations=operations(),
    compile_documents=compile_documents,
    contract=ledger_contract.LEDGER,
    servicer=LedgerServicer,
    follows={},
    jobs=_jobs,
)
MIRROR = Definition(
    name="mirror",
    metadata=METADATA,
    operations=operations(),
    compile_documents=compile_documents,
    contract=ledger_contract.LEDGER,
    servicer=LedgerServicer,
    follows={"ledger": parse_moved},
    jobs=lambda platform: [],
)
DEFINITIONS = {"ledger": LEDGER, "mirror": MIRROR}


if __name__ == "__main__":
    definition = DEFINITIONS[sys.argv[1]]
    run_service(load_settings(ServiceSettings, definition.name), lambda settings: start(settings, definition))
