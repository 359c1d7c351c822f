"""Bulk calls that outlast a restart of the service: what was not available is sent again, with the same request ids."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import grpc

from tessera.bulk import outcomes
from tessera.errors import Error
from tessera.methods import Method

ITEMS_A_CALL = 1000
"""What the contracts allow."""

PATIENCE_S = 60.0
"""How long a service may be away before the replay gives up; running it again goes on where it stopped."""

PAUSE_S = 0.05


async def settle(method: Method[Any], bulk: Any) -> list[Any]:
    """The outcome of each item of a prepared bulk request: its response or an `Error`, sent until none is passing."""
    deadline = time.monotonic() + PATIENCE_S
    found = outcomes(await method.send(bulk.SerializeToString(), timeout_s=PATIENCE_S))
    while again := [place for place, outcome in enumerate(found) if _is_passing(outcome)]:
        if time.monotonic() > deadline:
            raise found[again[0]]
        await asyncio.sleep(PAUSE_S)
        rest = type(bulk)(requests=[bulk.requests[place] for place in again])
        answered = outcomes(await method.send(rest.SerializeToString(), timeout_s=PATIENCE_S))
        for place, outcome in zip(again, answered, strict=True):
            found[place] = outcome
    return found


async def settle_all(method: Method[Any], kind: type[Any], requests: Sequence[Any]) -> list[Any]:
    """As `settle` for any number of requests, in calls of at most 1,000 one after the other, so that order is kept."""
    found: list[Any] = []
    for start in range(0, len(requests), ITEMS_A_CALL):
        found += await settle(method, kind(requests=requests[start : start + ITEMS_A_CALL]))
    return found


def _is_passing(outcome: Any) -> bool:
    """Whether an item failed for a reason that passes by itself."""
    if not isinstance(outcome, Error):
        return False
    return outcome.code is grpc.StatusCode.UNAVAILABLE or outcome.retry_after is not None
