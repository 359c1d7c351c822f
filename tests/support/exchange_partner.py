"""An outside partner that exchanges units, on a real socket: it keeps its side, and fails in every way one can."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

import pytest
from grpc import StatusCode, aio

from services.points.partners import reconciling
from tessera.partner.v1 import exchange_service_pb2 as pb
from tessera.partner.v1 import exchange_service_pb2_grpc

Fault = Literal["", "lost", "crash before", "crash after", "late", "undecided"]
"""What goes wrong with a call: it is lost on its way and never heard of; the partner crashes before it books, or after;
it books and answers too late; it has not decided yet."""


class ExchangePartner(exchange_service_pb2_grpc.ExchangeServiceServicer):
    """Books each reference once at most, as the contract asks."""

    def __init__(self) -> None:
        self.address = ""
        """Where it is served."""
        self.fault: Fault = ""
        self.refuses = False
        self.silent: set[str] = set()
        """References of which it says nothing, whoever asks."""
        self.verdicts: dict[str, pb.Verdict] = {}
        self.moved: Counter[str] = Counter()
        """What accounts got, less what they gave."""
        self.calls: list[tuple[str, str]] = []
        """Method and reference of each."""
        self.heard = asyncio.Event()
        """A call has come."""
        self.may_answer = asyncio.Event()
        """What is late is answered then."""

    async def Credit(self, request: pb.CreditRequest, context: Any) -> pb.CreditResponse:
        """Give."""
        return pb.CreditResponse(verdict=await self._book("Credit", request.booking, 1, context))

    async def Debit(self, request: pb.DebitRequest, context: Any) -> pb.DebitResponse:
        """Take."""
        return pb.DebitResponse(verdict=await self._book("Debit", request.booking, -1, context))

    async def Query(self, request: pb.QueryRequest, context: Any) -> pb.QueryResponse:
        """Tell."""
        self.calls.append(("Query", request.reference))
        await self._fail_before(request.reference, context)
        known = self.verdicts.get(request.reference)
        if known is None and self.fault == "undecided":
            return pb.QueryResponse(verdict=pb.Verdict(outcome=pb.OUTCOME_PENDING))
        return pb.QueryResponse(verdict=known or pb.Verdict(outcome=pb.OUTCOME_NOT_FOUND))

    async def _book(self, method: str, booking: pb.Booking, sign: int, context: Any) -> pb.Verdict:
        self.calls.append((method, booking.reference))
        self.heard.set()
        await self._fail_before(booking.reference, context)
        verdict = self.verdicts.get(booking.reference)
        if verdict is None and self.fault == "undecided":
            return pb.Verdict(outcome=pb.OUTCOME_PENDING)
        if verdict is None:
            verdict = self.verdicts[booking.reference] = self._decided(booking, sign)
        if self.fault == "crash after":
            await context.abort(StatusCode.UNAVAILABLE, "gone")
        if self.fault == "late":
            await self.may_answer.wait()
        return verdict

    def _decided(self, booking: pb.Booking, sign: int) -> pb.Verdict:
        if self.refuses:
            return pb.Verdict(outcome=pb.OUTCOME_REFUSED, reason="no such\0 flyer")
        self.moved[booking.account_id] += sign * booking.amount
        return pb.Verdict(outcome=pb.OUTCOME_BOOKED, booking=f"SKY-{len(self.verdicts)}")

    async def _fail_before(self, reference: str, context: Any) -> None:
        if self.fault == "lost":
            await asyncio.Event().wait()
        if self.fault == "crash before" or reference in self.silent:
            await context.abort(StatusCode.INTERNAL, "a name that nobody may log")


@asynccontextmanager
async def open_partner() -> AsyncIterator[tuple[ExchangePartner, str]]:
    """A partner that serves, and its address."""
    partner, server = ExchangePartner(), aio.server()
    exchange_service_pb2_grpc.add_ExchangeServiceServicer_to_server(partner, server)
    partner.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield partner, partner.address
    finally:
        await server.stop(None)


@contextmanager
def asked_by_nobody_else() -> Iterator[None]:
    """Partners hear of conversions from calls alone, not from what asks them again in real time."""

    async def nothing(*told: Any) -> None:
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconciling, "reconcile", nothing)
        yield
