"""Opaque page tokens: signed, and bound to the caller, the method and the request that they continue."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from grpc import StatusCode

from services.chassis.errors import Refused, Rejection

Cursor = tuple[str | int, ...]
"""Where the next page begins: the sort key of the last row shown. Readable by the client: no personal data in it."""

PAGE_FIELDS = ("page_token", "page_size", "at_least")
"""Request fields that may differ from page to page; all others say what is listed and must stay the same."""

SIGNATURE_BYTES = 16
"""128 bits: a forged token cannot be found by trying, and tokens stay short."""

PAGE_TOKEN_INVALID = Rejection(
    "PAGE_TOKEN_INVALID",
    "page_token does not continue this request: send back next_page_token unchanged, with the other fields as before",
    StatusCode.INVALID_ARGUMENT,
)


@dataclass(frozen=True, slots=True)
class PageTokens:
    """Writes and reads the page tokens of one service; all its workers hold the same `key`."""

    key: bytes

    def encode(self, method: str, caller: str, request: Message, cursor: Sequence[str | int]) -> str:
        """The `next_page_token` with which `caller` continues `request` after `cursor`."""
        payload = json.dumps(list(cursor), separators=(",", ":"), ensure_ascii=False).encode()
        signature = self._sign(method, caller, request, payload)
        return base64.urlsafe_b64encode(signature + payload).rstrip(b"=").decode()

    def decode(self, token: str, method: str, caller: str, request: Message) -> Cursor | None:
        """The cursor in `token`; None for the first page; Refused with PAGE_TOKEN_INVALID for any other token."""
        if not token:
            return None
        raw = _unwrap(token)
        signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(method, caller, request, payload)):
            raise Refused(PAGE_TOKEN_INVALID)
        return tuple(json.loads(payload))

    def _sign(self, method: str, caller: str, request: Message, payload: bytes) -> bytes:
        bound_to = json.dumps([method, caller]).encode()
        digest = hmac.new(self.key, bound_to, hashlib.sha256)
        digest.update(_fingerprint(request))
        digest.update(payload)
        return digest.digest()[:SIGNATURE_BYTES]


def _fingerprint(request: Message) -> bytes:
    """Fixed length, so that what follows it in the signed bytes cannot be shifted into it."""
    bare = type(request)()
    bare.CopyFrom(request)
    for name in PAGE_FIELDS:
        if name in bare.DESCRIPTOR.fields_by_name:
            bare.ClearField(name)
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).digest()


def _unwrap(token: str) -> bytes:
    padding = "=" * (-len(token) % 4)
    try:
        return base64.b64decode(token + padding, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refused(PAGE_TOKEN_INVALID) from None
