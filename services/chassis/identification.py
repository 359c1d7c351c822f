"""Who calls: by certificate, by token, or by both, which then must name the same caller."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from grpc import StatusCode

from services.chassis.access import AccessPolicy, Caller
from services.chassis.errors import Refused, Rejection
from services.chassis.tokens import TokenVerifier

NAME_KEYS = ("peer_uri", "peer_dns")
"""Where gRPC puts the URI and DNS names that a verified certificate is for. Its common name counts for nothing."""


class Peer(Protocol):
    """The other end of a call's connection."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """What the handshake proved of it."""


class Identification:
    """Names the caller of each call. Without TLS the token alone does.

    With TLS the connection has a certificate that one of our authorities signed, and the policy says whose it is. A
    token beside it must be of that same caller: it narrows (it expires), and a stolen one is worth nothing without the
    certificate.
    """

    def __init__(self, tokens: TokenVerifier, policy: AccessPolicy, *, by_certificate: bool) -> None:
        self._tokens = tokens
        self._policy = policy
        self._by_certificate = by_certificate

    def caller(self, authorization: str | bytes | None, peer: Peer) -> Caller:
        """The caller of one call; Refused as UNAUTHENTICATED when nothing, or not one thing alone, proves who it is."""
        if not self._by_certificate:
            return self._tokens.caller(authorization)
        certified = self._certified(peer)
        if authorization is None:
            return certified
        claimed = self._tokens.caller(authorization)
        if claimed.name != certified.name:
            raise Refused(CERTIFICATE_MISMATCH)
        return claimed

    def _certified(self, peer: Peer) -> Caller:
        proved = peer.auth_context()
        names = {name.decode(errors="replace") for key in NAME_KEYS for name in proved.get(key, ())}
        callers = {self._policy.certificates[name] for name in names if name in self._policy.certificates}
        if len(callers) != 1:
            raise Refused(CERTIFICATE_UNKNOWN)
        return self._policy.caller(callers.pop())


CERTIFICATE_UNKNOWN = Rejection(
    "CERTIFICATE_UNKNOWN", "the client's certificate is not that of exactly one caller", StatusCode.UNAUTHENTICATED
)
CERTIFICATE_MISMATCH = Rejection(
    "CERTIFICATE_MISMATCH",
    "the bearer token and the client's certificate are of different callers",
    StatusCode.UNAUTHENTICATED,
)
