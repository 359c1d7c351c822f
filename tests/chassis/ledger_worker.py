"""A process that works on a ledger's database beside others: `python -m tests.chassis.ledger_worker DSN SEED COMMANDS`.

It says "ready", waits for a line, hands its lanes random moves and transfers, many at once, and prints what became of
them: how many had each reason.
"""

import asyncio
import json
import random
import sys
from collections import Counter

from services.chassis import ids
from services.chassis.verdicts import OK, Verdict
from tests.chassis.ledger import Move, Transfer, reason_of
from tests.chassis.ledger_lanes import open_lanes, request

ACCOUNTS = tuple(ids.from_int(number << 16 | number % 4) for number in range(1, 9))
"""Two in each of four partitions."""
OPENING_BALANCE = 40
IN_FLIGHT = 24


async def work(dsn: str, seed: int, commands: int) -> Counter[str]:
    """Carry out `commands` commands, some of them twice; counts reasons, "" for the accepted."""
    chance = random.Random(seed)
    reasons: Counter[str] = Counter()
    async with open_lanes(dsn) as lanes:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for first in range(0, commands, IN_FLIGHT):
            batch = [_command(chance, f"{seed}-{number}") for number in range(first, first + IN_FLIGHT)]
            twins = [*batch, chance.choice(batch)]
            outcomes = await asyncio.gather(*(lanes.submit([command]) for command in twins))
            reasons.update(_reason(outcome) for (outcome,) in outcomes)
    return reasons


def _command(chance: random.Random, name: str) -> Move | Transfer:
    source, target = chance.sample(ACCOUNTS, 2)
    if chance.random() < 0.3:
        return Move(source, 0, request(name))
    return Transfer(source, target, chance.randrange(1, OPENING_BALANCE), request(name))


def _reason(outcome: object) -> str:
    if isinstance(outcome, Verdict):
        return "" if outcome.code == OK else reason_of(outcome)
    return repr(outcome)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
