"""What each call does for the audit trail: it notes itself, and waits until that is kept where it must."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

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
PROOFS = {(False, True): "token", (True, False): "certificate", (True, True): "certificate+token"}
"""What a call showed: by whether its connection has a certificate, and whether a token came with it."""
TRACE_ID = slice(3, 35)
"""Where a traceparent has the trace's ID."""


class Concern(NamedTuple):
    """What a call is about."""

    subjects: str
    """The IDs that it names, with spaces between them."""
    items: int


NOTHING_KNOWN = Concern("", 0)


class Auditing:
    """What the calls of one method do for the trail."""

    __slots__ = ("_by_certificate", "_method", "_trail", "waits")

    def __init__(self, trail: Trail, method: MethodDescriptor, *, by_certificate: bool) -> None:
        self._trail = trail
        self._method = AuditedMethod(method)
        self._by_certificate = by_certificate
        self.waits = self._method.before_answer
        """Whether nobody is answered before the call is kept."""

    def concern(self, request: Any) -> "Concern | None":
        """What a call is about, taken down before its handler may change the request; None when it is not kept.

        Raises Refused when it could not be kept: nothing is done then.
        """
        if not self._method.keeps(request):
            return None
        if self._trail.is_full:
            raise Refused(AUDIT_UNAVAILABLE)
        return Concern(self._method.subjects(request), self._method.items(request))

    def answered(self, call: "Call", refused_items: int) -> None:
        """Note a call that is answered."""
        if call.concern is not None:
            self._note(call.caller.name, call.headers, call.concern, StatusCode.OK, "", refused_items)

    def failed(self, call: "Call", code: StatusCode, reason: str) -> None:
        """Note a call that was refused after it was admitted, or whose client left."""
        if call.concern is not None and not self._trail.is_full:
            self._note(call.caller.name, call.headers, call.concern, code, reason, 0)

    def malformed(self, call: "Call", rejection: Rejection) -> None:
        """Note a call that might have changed something, had it been well-formed."""
        if self._method.keeps(None) and not self._trail.is_full:
            self._note(call.caller.name, call.headers, NOTHING_KNOWN, rejection.code, rejection.reason, 0)

    def not_admitted(self, headers: CallHeaders, rejection: Rejection) -> None:
        """Note a call that was refused at the door; where there is no room, it is only counted."""
        if rejection.code not in NOT_ADMITTED:
            return
        if self._trail.is_full:
            self._trail.leave_out()
        else:
            self._note(
                rejection.metadata.get("caller", ""), headers, NOTHING_KNOWN, rejection.code, rejection.reason, 0
            )

    async def kept(self, within_s: float) -> None:
        """Returns when the call is kept. Raises Refused when that takes too long."""
        try:
            async with asyncio.timeout(min(within_s, LONGEST_S)):
                await self._trail.kept()
        except TimeoutError:
            raise Refused(AUDIT_UNAVAILABLE) from None

    def _note(
        self, caller: str, headers: CallHeaders, concern: Concern, code: StatusCode, reason: str, refused_items: int
    ) -> None:
        self._trail.note(
            Record(
                now_us(),
                caller,
                PROOFS.get((self._by_certificate, headers.authorization is not None), ""),
                self._method.name,
                CODE_NUMBERS[code],
                reason,
                concern.subjects,
                concern.items,
                refused_items,
                _trace_id(headers.traceparent),
            )
        )


def _trace_id(traceparent: str) -> bytes:
    try:
        return bytes.fromhex(traceparent[TRACE_ID])
    except ValueError:
        return b""
