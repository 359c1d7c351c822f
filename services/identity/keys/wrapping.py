"""What wraps the members' data keys: master keys that a process holds itself, or somebody else's key service."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.identity.keys.values import Wrapped
from services.identity.vault import NONCE_BYTES, new_nonce


class KeysUnavailable(Exception):
    """The master keys cannot be used now; it may be tried again."""


class KeyWrapper(Protocol):
    """Wraps data keys, many at once, each bound to the 16 bytes of its member's ID. What is none of its own, or of
    another member, is never unwrapped: it raises (InvalidTag, for example).

    Both methods raise KeysUnavailable when they cannot do it now. They are left alone after a few seconds, and may be
    cancelled at any time.
    """

    @property
    def versions(self) -> frozenset[int]:
        """The versions of master keys that unwrap, from 1 to 255."""
        ...

    @property
    def writing(self) -> int:
        """The version that wraps; one of them."""
        ...

    async def wrap(self, keys: Sequence[tuple[bytes, bytes]]) -> list[Wrapped]:
        """Data keys (member, key), wrapped by the version that wraps, in their order."""
        ...

    async def unwrap(self, keys: Sequence[tuple[bytes, Wrapped]]) -> list[bytes]:
        """Wrapped data keys (member, wrapped key) in clear, in their order."""
        ...


class HeldKeys:
    """Master keys that the process holds: AES-256-GCM."""

    def __init__(self, roots: Mapping[int, bytes], writing: int) -> None:
        """Master keys of 32 bytes by version, and which of them wraps."""
        self._ciphers = {version: AESGCM(key) for version, key in roots.items()}
        self._writing = writing

    @property
    def versions(self) -> frozenset[int]:
        """All that unwrap."""
        return frozenset(self._ciphers)

    @property
    def writing(self) -> int:
        """The one that wraps."""
        return self._writing

    async def wrap(self, keys: Sequence[tuple[bytes, bytes]]) -> list[Wrapped]:
        """At once: nobody is asked."""
        cipher = self._ciphers[self._writing]
        wrapped = []
        for member, key in keys:
            nonce = new_nonce()
            wrapped.append(Wrapped(self._writing, nonce + cipher.encrypt(nonce, key, member)))
        return wrapped

    async def unwrap(self, keys: Sequence[tuple[bytes, Wrapped]]) -> list[bytes]:
        """At once. Raises InvalidTag for what is not the member's."""
        if any(wrapped.version not in self._ciphers for _, wrapped in keys):
            raise KeysUnavailable("this process does not have a master key that is in use")
        return [
            self._ciphers[version].decrypt(key[:NONCE_BYTES], key[NONCE_BYTES:], member)
            for member, (version, key) in keys
        ]
