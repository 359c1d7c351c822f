"""`at_least`: answer only when this service has seen what the caller has seen."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from grpc import StatusCode

from services.chassis.cursors import Cursors
from services.chassis.errors import Refused, Rejection
from services.chassis.rpc import Call
from tessera.type.v1 import position_pb2

ANSWER_MARGIN_S = 0.05
"""Kept of a call's time for the answer, which would not arrive if the wait used it up."""


def _not_reached(position: position_pb2.Position, reached: int) -> Rejection:
    return Rejection(
        "POSITION_NOT_REACHED",
        f"{position.service} has not been followed as far as asked",
        code=StatusCode.UNAVAILABLE,
        metadata={
            "service": position.service,
            "partition": str(position.partition),
            "position": str(position.position),
            "reached": str(reached),
        },
        retry_after=timedelta(milliseconds=100),
    )


class AtLeast:
    """Waits, within a call's deadline, until the positions that it names are reached.

    Positions of this service itself are reached by being known; those of services it does not follow do not concern it.
    """

    def __init__(self, sources: Iterable[str], cursors: Cursors) -> None:
        self._sources = frozenset(sources)
        self.cursors = cursors

    async def wait(self, positions: Iterable[position_pb2.Position], call: Call) -> None:
        """Raises Refused (POSITION_NOT_REACHED) when the deadline comes first."""
        deadline = call.deadline - min(ANSWER_MARGIN_S, call.remaining_s() / 2)
        for position in positions:
            place = (position.service, position.partition)
            if position.service not in self._sources or position.partition < 0:
                continue
            if not await self.cursors.wait_until(self._reaches(place, position.position), deadline):
                raise Refused(_not_reached(position, self.cursors.reached(place)))

    def _reaches(self, place: tuple[str, int], target: int) -> Callable[[], bool]:
        return lambda: self.cursors.reached(place) >= target
