"""What each call does for the audit trail: it notes itself, and waits until that is kept where it must."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import MethodDescriptor
from grpc import StatusCode

from services.chassis.audit.links import Record
from services.chassis.audit.methods import AuditedMethod
from services.chassis.audit.trail import Trail, now_us
from services.chassis.errors import CODE_NUMBERS, Refused, Rejection
from services.chassis.observation import CallHeaders

if TYPE_CHECKING:
    from services.chassis.rpc import Call

AUDIT_UNAVAILABLE = Rejection(
    "AUDIT_UNAVAILABLE",
    "the audit trail cannot be written at the moment; the same request may be sent again",
    StatusCode.UNAVAILABLE,
    retry_after=timedelta(seconds=1),
)
LONGEST_S = 3.0
"""How long an answer waits to be kept."""
NOT_ADMITTED = (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED)
PROOFS = {False: ("", "token"), True: ("certificate", "certificate+token")}
"""What a call showed, without a token and with one, by whether its connection has a certificate."""
TRACE_ID = slice(3, 35)
"""Where a traceparent has the trace's ID."""
_OK = CODE_NUMBERS[StatusCode.OK]
_record = partial(tuple.__new__, Record)
"""A record of all its values at once: the class itself takes four times as long."""


class Auditing:
    """What the calls of one method do for the trail."""

    __slots__ = ("_method", "_proofs", "_trail", "waits")

    def __init__(self, trail: Trail, method: MethodDescriptor, *, by_certificate: bool) -> None:
        self._trail = trail
        self._method = AuditedMethod(method)
        self._proofs = PROOFS[by_certificate]
        self.waits = self._method.before_answer
        """Whether nobody is answered before the call is kept."""

    def begin(self, call: "Call", request: Any) -> None:
        """Take down what a call is about, before its handler may change the request.

        Raises Refused when it could not be kept: nothing is done then.
        """
        method = self._method
        if method.keeps(request):
            if self._trail.is_full:
                raise Refused(AUDIT_UNAVAILABLE)
            call.subjects = method.subjects(request)
            call.items = method.items(request)

    def answered(self, call: "Call", refused_items: int) -> None:
        """Note a call that is answered."""
        if call.subjects is not None:
            self._note(call.caller.name, call.headers, _OK, "", call.subjects, call.items, refused_items)

    def failed(self, call: "Call", code: StatusCode, reason: str) -> None:
        """Note a call that was refused after it was admitted, or whose client left."""
        if call.subjects is not None and not self._trail.is_full:
            self._note(call.caller.name, call.headers, CODE_NUMBERS[code], reason, call.subjects, call.items)

    def malformed(self, call: "Call", rejection: Rejection) -> None:
        """Note a call that might have changed something, had it been well-formed."""
        if self._method.keeps(None) and not self._trail.is_full:
            self._note(call.caller.name, call.headers, CODE_NUMBERS[rejection.code], rejection.reason)

    def not_admitted(self, headers: CallHeaders, rejection: Rejection) -> None:
        """Note a call that was refused at the door; where there is no room, it is only counted."""
        if rejection.code not in NOT_ADMITTED:
            return
        if self._trail.is_full:
            self._trail.leave_out()
        else:
            caller = rejection.metadata.get("caller", "")
            self._note(caller, headers, CODE_NUMBERS[rejection.code], rejection.reason)

    async def kept(self, within_s: float) -> None:
        """Returns when the call is kept. Raises Refused when that takes too long."""
        try:
            async with asyncio.timeout(min(within_s, LONGEST_S)):
                await self._trail.kept()
        except TimeoutError:
            raise Refused(AUDIT_UNAVAILABLE) from None

    def _note(
        self,
        caller: str,
        headers: CallHeaders,
        code: int,
        reason: str,
        subjects: str = "",
        items: int = 0,
        refused_items: int = 0,
    ) -> None:
        authorization, traceparent, _ = headers
        proof = self._proofs[authorization is not None]
        trace_id = _trace_id(traceparent) if traceparent else b""
        self._trail.note(
            _record(
                (now_us(), caller, proof, self._method.name, code, reason, subjects, items, refused_items, trace_id)
            )
        )


def _trace_id(traceparent: str) -> bytes:
    try:
        return bytes.fromhex(traceparent[TRACE_ID])
    except ValueError:
        return b""
