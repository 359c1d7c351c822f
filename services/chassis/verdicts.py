"""What becomes of a command, in the form in which it is kept and sent."""

from typing import NamedTuple

from google.rpc import status_pb2
from grpc import StatusCode

from services.chassis.errors import CODE_NUMBERS, Rejection, to_status

OK = CODE_NUMBERS[StatusCode.OK]


class Verdict(NamedTuple):
    """The answer to one command: code 0 and a serialised response, or another code and a `google.rpc.Status`.

    `keep` says whether a repeated request gets this verdict again. A refusal that may pass
    (it has RetryInfo, or is about access) is not kept.
    """

    code: int
    payload: bytes
    keep: bool = True

    def status(self) -> status_pb2.Status:
        """The status of a refusal."""
        return status_pb2.Status.FromString(self.payload)


def accepted(payload: bytes) -> Verdict:
    """The verdict of a command that was carried out."""
    return Verdict(OK, payload)


def refused(rejection: Rejection, error_domain: str) -> Verdict:
    """The verdict of a command that was refused."""
    status = to_status(rejection, error_domain)
    may_change = rejection.retry_after is not None or rejection.code is StatusCode.PERMISSION_DENIED
    return Verdict(status.code, status.SerializeToString(), keep=not may_change)
