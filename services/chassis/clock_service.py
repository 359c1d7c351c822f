"""The clock, over RPC."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from services.chassis.clock import Clock
from services.chassis.errors import Refused, Rejection
from services.chassis.instants import checked_instant, timestamp
from services.chassis.jobs import JobRunner
from services.chassis.rpc import Call
from tessera.clock.v1 import clock_service_pb2 as pb

NOT_VIRTUAL = Rejection("CLOCK_NOT_VIRTUAL", "the service runs on the real clock, which cannot be advanced")


class ClockServicer:
    """Serves `tessera.clock.v1.ClockService` for any service."""

    def __init__(self, clock: Clock, runner: JobRunner) -> None:  # type: ignore[type-arg]  # of whatever configuration
        self._clock = clock
        self._runner = runner

    async def GetClock(self, request: pb.GetClockRequest, call: Call) -> pb.GetClockResponse:  # the contract's name
        """Now."""
        return pb.GetClockResponse(now=timestamp(await self._clock.now()), virtual=self._clock.virtual)

    async def AdvanceClock(  # the contract's name
        self, request: pb.AdvanceClockRequest, call: Call
    ) -> pb.AdvanceClockResponse:
        """Run every due instant on the way, then stand at the time asked for.

        The clock may stand there already and its jobs not be done, when a crash came between: they run now.
        """
        if not self._clock.virtual:
            raise Refused(NOT_VIRTUAL)
        to = checked_instant(request.to, "to")
        now = await self._clock.now()
        if to < now:
            raise Refused(_backwards(now, request.to))
        if request.validate_only:
            return pb.AdvanceClockResponse(now=timestamp(now))
        instants_run = await self._runner.run_until(to)
        return pb.AdvanceClockResponse(now=timestamp(await self._clock.now()), instants_run=instants_run)


def _backwards(now: datetime, to: Timestamp) -> Rejection:
    return Rejection(
        "CLOCK_BACKWARDS",
        "the virtual clock never goes back",
        metadata={"now": now.isoformat(), "to": to.ToJsonString()},
    )
