"""What an import keeps of rows in place of what they say: hashes, keyed by the content of their file."""

from hashlib import blake2b
from typing import NamedTuple

from tessera.imports.rows import Identifier, Row

HASH_BYTES = 16


class RowHashes(NamedTuple):
    """Of a row, and of its parts."""

    account: bytes
    person: bytes | None
    attributes: bytes | None
    content: bytes
    """Of all that it says."""


def of_row(row: Row, key: bytes) -> RowHashes:
    """The hashes of a row."""
    account = _hash(key, row.domain.encode(), row.external_id.encode())
    person = _hash(key, row.person.encode()) if row.person else None
    texts = [text.encode() for item in sorted(row.attributes.items()) for text in item]
    attributes = _hash(key, *texts) if texts else None
    identifiers = [of_identifier(row, one, key) for one in row.identifiers]
    content = _hash(key, account, person or b"", attributes or b"", str(row.verified).encode(), *identifiers)
    return RowHashes(account, person, attributes, content)


def of_identifier(row: Row, identifier: Identifier, key: bytes) -> bytes:
    """The hash of an identifier of a row, together with its account."""
    texts = (row.domain, row.external_id, identifier.type, identifier.value, str(identifier.verified))
    return _hash(key, *(text.encode() for text in texts))


def _hash(key: bytes, *parts: bytes) -> bytes:
    digest = blake2b(key=key, digest_size=HASH_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(4) + part)
    return digest.digest()
