"""The keys: what is found by them, what is sealed by them, and what none of them opens."""

from hashlib import blake2s

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis import ids
from services.chassis.idempotency import Request
from services.identity.vault import Box, Vault, new_nonce

VAULT = Vault(b"i" * 32)
MEMBER, OTHER = ids.new_id(1).bytes, ids.new_id(2).bytes


@settings(deadline=None)
@given(st.text(min_size=1))
def test_a_blind_index_is_a_keyed_hash_of_128_bits(external_id: str) -> None:
    blind_index = VAULT.blind_index("fuel", external_id)
    if external_id.isascii():
        name = f"fuel\0{external_id}".encode()
        assert blind_index == blake2s(name, key=b"i" * 32, person=b"account", digest_size=16).digest()
    assert len(blind_index) == 16


def test_a_blind_index_depends_on_domain_name_and_key() -> None:
    indexes = {
        VAULT.blind_index("fuel", "1"),
        VAULT.blind_index("fue", "l1"),
        VAULT.blind_index("fuel", "1 "),
        VAULT.blind_index("fuel", "A"),
        VAULT.blind_index("fuel", "a"),
        Vault(b"j" * 32).blind_index("fuel", "1"),
    }
    assert len(indexes) == 6


@settings(deadline=None)
@given(st.binary())
def test_what_is_sealed_for_a_row_opens_for_that_row(text: bytes) -> None:
    box = Box(bytes(32))
    sealed = box.seal(text, MEMBER, new_nonce())
    assert box.open(sealed, MEMBER) == text
    with pytest.raises(InvalidTag):
        box.open(sealed, OTHER)
    with pytest.raises(InvalidTag):
        box.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), MEMBER)


def test_what_is_hashed_for_one_purpose_is_not_what_is_hashed_for_another() -> None:
    name = b"fuel\x001"
    keyed = VAULT.keyed(Request(ids.new_id(0), name)).fingerprint
    key = b"i" * 32
    assert keyed == blake2s(name, key=key, person=b"request").digest()
    assert keyed != blake2s(name, key=key, person=b"account").digest()
    assert keyed[:16] != VAULT.blind_index("fuel", "1")


def test_a_kept_fingerprint_is_keyed() -> None:
    request = Request(ids.new_id(0), b"a digest that could be guessed")
    keyed = VAULT.keyed(request)
    assert keyed.key == request.key
    assert keyed.fingerprint == VAULT.keyed(request).fingerprint
    assert keyed.fingerprint != Vault(b"j" * 32).keyed(request).fingerprint
