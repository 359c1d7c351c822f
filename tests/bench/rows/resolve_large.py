"""resolve-large: what resolve-unary and resolve-bulk measure, with 5,000,000 accounts of 1,000,000 members."""

from functools import partial

from tests.bench.machine import Machine
from tests.bench.many_accounts import ACCOUNTS, fill_many
from tests.bench.result import Result
from tests.bench.rows import resolve_bulk, resolve_unary
from tests.bench.unary import TRANSPORTS


async def measure(machine: Machine) -> list[Result]:
    """Calls and items a second."""
    async with machine.large_database("identity", partial(fill_many, machine)) as dsn:
        unary = [
            await resolve_unary.measure_on(machine, dsn, transport, f"resolve-large, unary ({transport})", ACCOUNTS)
            for transport in TRANSPORTS
        ]
        return [*unary, await resolve_bulk.measure_on(machine, dsn, dsn, "resolve-large, bulk", ACCOUNTS)]
