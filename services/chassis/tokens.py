"""Who calls: the JWT in a call's `authorization` metadata, verified against the public keys of a JWKS file."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from grpc import StatusCode
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import KeySet, OctKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from services.chassis.access import AccessPolicy, Caller
from services.chassis.errors import Refused, Rejection

_LOG = logging.getLogger(__name__)

ALGORITHMS = frozenset({"Ed25519", "EdDSA", "ES256", "RS256"})
"""Asymmetric only: a public key can never be mistaken for a shared secret. EdDSA is the older name of Ed25519."""

MAX_CACHED_TOKENS = 1024
"""Far more than a service has callers; bounds the memory that many valid tokens of one caller can take."""

MAX_TOKEN_CHARS = 8192
"""A token that identifies a program is far shorter; longer ones are not even parsed."""

KEYS_RECHECK_S = 1.0
"""How long a withdrawn key may still be believed."""

_PREFIX = "Bearer "


@dataclass(frozen=True, slots=True)
class _Verified:
    caller: Caller
    expires_at: float


class TokenVerifier:
    """Turns `authorization` metadata into a caller; remembers verified tokens, since verification is expensive.

    Tokens live in real time, whatever clock the domain uses. Used from one event loop; reading the key file blocks
    it for well under a millisecond, once per change of the file.
    """

    def __init__(
        self,
        policy: AccessPolicy,
        jwks_file: Path,
        audience: str,
        *,
        now: Callable[[], float] = time.time,
        recheck_s: float = KEYS_RECHECK_S,
    ) -> None:
        self._policy = policy
        self._file = jwks_file
        self._now = now
        self._recheck_s = recheck_s
        self._claims = JWTClaimsRegistry(
            now=lambda: int(now()),
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._verified: dict[str, _Verified] = {}
        self._stamp: tuple[int, ...] = ()
        self._keys: KeySet | None = None
        self._next_check = 0.0
        self._refresh_keys()

    def caller(self, authorization: str | bytes | None) -> Caller:
        """The caller whose token `authorization` carries; Refused as UNAUTHENTICATED for every other value."""
        if time.monotonic() >= self._next_check:
            self._refresh_keys()
        if not isinstance(authorization, str):
            raise Refused(TOKEN_MISSING)
        verified = self._verified.get(authorization)
        if verified is None:
            verified = self._verify(authorization)
        if self._now() >= verified.expires_at:
            self._verified.pop(authorization, None)
            raise Refused(TOKEN_EXPIRED)
        return verified.caller

    def _verify(self, authorization: str) -> _Verified:
        if not authorization[: len(_PREFIX)].lower() == _PREFIX.lower():
            raise Refused(TOKEN_MISSING)
        if self._keys is None:
            raise Refused(KEYS_UNAVAILABLE)
        if len(authorization) > MAX_TOKEN_CHARS:
            raise Refused(TOKEN_INVALID)
        claims = self._decode(authorization[len(_PREFIX) :].strip(), self._keys)
        verified = _Verified(self._policy.caller(claims["sub"]), float(claims["exp"]))
        if len(self._verified) >= MAX_CACHED_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[authorization] = verified
        return verified

    def _decode(self, token: str, keys: KeySet) -> jwt.Claims:
        try:
            claims = jwt.decode(token, keys, registry=_PinnedAlgorithms()).claims
            self._claims.validate(claims)
        except ExpiredTokenError:
            raise Refused(TOKEN_EXPIRED) from None
        except (JoseError, ValueError, TypeError, KeyError) as error:
            _LOG.info("token refused: %s", type(error).__name__)
            raise Refused(TOKEN_INVALID) from None
        return claims

    def _refresh_keys(self) -> None:
        """Reads the key file again when it changed; what was verified with the old keys must prove itself anew."""
        self._next_check = time.monotonic() + self._recheck_s
        stamp = _stamp(self._file)
        if stamp == self._stamp and self._keys is not None:
            return
        self._stamp = stamp
        self._verified.clear()
        self._keys = _read_keys(self._file)


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        stat = file.stat()
    except OSError:
        return ()
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _read_keys(file: Path) -> KeySet | None:
    """The public keys in `file`; None, so that nobody is believed, when any of them cannot be used."""
    try:
        keys = KeySet.import_key_set(json.loads(file.read_text()))
    except (OSError, JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        _LOG.error("no caller can be identified: key file %s is unreadable: %s", file, type(error).__name__)
        return None
    if not keys.keys or any(isinstance(key, OctKey) for key in keys.keys):
        _LOG.error("no caller can be identified: key file %s must hold public keys, and no shared secret", file)
        return None
    return keys


class _PinnedAlgorithms(JWSRegistry):
    """Lets nothing in a token's header choose another algorithm, `none` least of all."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"algorithm {name!r} is not accepted")
        return self.algorithms[name]


TOKEN_MISSING = Rejection(
    "TOKEN_MISSING", "the call carries no `authorization: Bearer <token>` metadata", StatusCode.UNAUTHENTICATED
)
TOKEN_INVALID = Rejection("TOKEN_INVALID", "the bearer token cannot be accepted", StatusCode.UNAUTHENTICATED)
TOKEN_EXPIRED = Rejection("TOKEN_EXPIRED", "the bearer token has expired", StatusCode.UNAUTHENTICATED)
KEYS_UNAVAILABLE = Rejection(
    "KEYS_UNAVAILABLE",
    "callers cannot be identified at the moment",
    StatusCode.UNAVAILABLE,
    retry_after=timedelta(seconds=KEYS_RECHECK_S),
)
