"""Personal data: found by a keyed hash, kept under a key of the member's own.

An external id is never stored or emitted in clear. Its *blind index*, a hash under a key that only identity has,
finds it again; its *ciphertext* shows it again. Each member has a data key, stored wrapped by a master key (`keys/`):
whoever destroys the wrapped key has destroyed everything that was sealed under it.
"""

import os
import unicodedata
from hashlib import blake2s

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.chassis.idempotency import Request

BLIND_INDEX_BYTES = 16
"""128 bits: among 10 billion accounts two share one with a chance of 10 to the -19."""
PERSON_KEY_BYTES = 16
"""As long as a blind index, of which it is made."""
NONCE_BYTES = 12
"""What AES-GCM takes; random ones may seal some billions of texts under one key, a member has a few."""
DATA_KEY_BYTES = 32


def normalised(external_id: str) -> str:
    """An external id in the one form in which it is hashed and kept: as given, in Unicode's form C.

    Nothing else is changed: case, spaces and leading zeros may tell two of a domain's accounts apart.
    """
    return external_id if external_id.isascii() else unicodedata.normalize("NFC", external_id)


def new_nonce() -> bytes:
    """What makes one sealing differ from every other."""
    return os.urandom(NONCE_BYTES)


class Vault:
    """The key by which personal data is found, and everything that is done with it."""

    def __init__(self, blind_index_key: bytes) -> None:
        # What is hashed for one purpose is never what is hashed for another; a copy of a prepared hash is cheaper.
        self._account_hash = blake2s(key=blind_index_key, person=b"account", digest_size=BLIND_INDEX_BYTES)
        self._request_hash = blake2s(key=blind_index_key, person=b"request")
        self._common_hash = blake2s(key=blind_index_key, person=b"attrib", digest_size=BLIND_INDEX_BYTES)
        self._person_key = blake2s(key=blind_index_key, person=b"person").digest()

    def blind_index(self, domain: str, external_id: str) -> bytes:
        """The bytes by which an account is found. A domain's code has no NUL, so no two names are hashed as one."""
        account_hash = self._account_hash.copy()
        account_hash.update(f"{domain}\0{normalised(external_id)}".encode())
        return account_hash.digest()

    def common_index(self, name: str, value: str) -> bytes:
        """The bytes by which values of two members are compared, of an attribute or a type; their names have no NUL."""
        common_hash = self._common_hash.copy()
        common_hash.update(f"{name}\0{normalised(value)}".encode())
        return common_hash.digest()

    def person_key(self, programme: str, year: int, blind_index: bytes) -> bytes:
        """What a programme keeps of an account whose member is erased in a year. Its salt is of programme and year, so
        that nobody sees that two programmes, or the same one in two years, keep the same account."""
        salt = blake2s(f"{programme}\0{year}".encode(), digest_size=blake2s.SALT_SIZE).digest()
        return blake2s(blind_index, key=self._person_key, salt=salt, digest_size=PERSON_KEY_BYTES).digest()

    def keyed(self, request: Request) -> Request:
        """A request whose fingerprint cannot be used to guess the personal data in its body."""
        request_hash = self._request_hash.copy()
        request_hash.update(request.fingerprint)
        return Request(request.key, request_hash.digest())


class Box:
    """Seals and opens what belongs to one member: AES-256-GCM, bound to the row that it is kept in."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, text: bytes, owner: bytes, nonce: bytes) -> bytes:
        """`text`, sealed; `owner` is the ID of the row, so that no ciphertext can be moved to another one."""
        return nonce + self._cipher.encrypt(nonce, text, owner)

    def open(self, sealed: bytes, owner: bytes) -> bytes:
        """What was sealed. Raises InvalidTag when it was not sealed by this key for this row."""
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner)
