"""The keys by which identifiers are found: versions, so that they can be replaced while calls are served."""

from collections.abc import Mapping
from hashlib import blake2s

from services.identity.identifiers.values import ValueIndex
from services.identity.vault import BLIND_INDEX_BYTES


class IndexKeys:
    """Root keys by version. Each type has keys of its own, made of these; one version writes, all find."""

    def __init__(self, roots: Mapping[int, bytes], writing: int) -> None:
        """Root keys by version, and which of them writes."""
        self._roots = {writing: roots[writing], **roots}
        self.writing = writing
        self._of_types: dict[tuple[int, str], bytes] = {}

    @property
    def versions(self) -> frozenset[int]:
        """All that find."""
        return frozenset(self._roots)

    def indexes(self, code: str, value: str) -> tuple[ValueIndex, ...]:
        """A value of a type as each version hashes it, the one that writes first."""
        return tuple(ValueIndex(version, self._hashed(version, code, value)) for version in self._roots)

    def _hashed(self, version: int, code: str, value: str) -> bytes:
        key = self._of_types.get((version, code))
        if key is None:
            key = blake2s(code.encode(), key=self._roots[version], person=b"identkey").digest()
            self._of_types[version, code] = key
        return blake2s(value.encode(), key=key, person=b"identval", digest_size=BLIND_INDEX_BYTES).digest()
