"""How keys are refused; mirrors `tessera.identity.v1.ErrorReason`."""

from datetime import timedelta

from grpc import StatusCode

from services.chassis.errors import Rejection

KEYS_UNAVAILABLE = Rejection(
    "KEYS_UNAVAILABLE",
    "the keys of personal data cannot be used now; nothing was done",
    code=StatusCode.UNAVAILABLE,
    retry_after=timedelta(seconds=1),
)
