"""The keys: what is found by them, what is sealed by them, and what none of them opens."""

from hashlib import blake2s

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis import ids
from services.chassis.idempotency import Request
from services.identity.vault import Vault, new_nonce

VAULT = Vault(b"i" * 32, b"d" * 32)
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
        Vault(b"j" * 32, b"d" * 32).blind_index("fuel", "1"),
    }
    assert len(indexes) == 6


@settings(deadline=None)
@given(st.binary())
def test_what_is_sealed_for_a_row_opens_for_that_row(text: bytes) -> None:
    box = VAULT.member_box(VAULT.new_data_key(MEMBER), MEMBER)
    sealed = box.seal(text, MEMBER, new_nonce())
    assert box.open(sealed, MEMBER) == text
    with pytest.raises(InvalidTag):
        box.open(sealed, OTHER)
    with pytest.raises(InvalidTag):
        box.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), MEMBER)


def test_each_member_has_a_key_of_its_own() -> None:
    sealed = VAULT.member_box(VAULT.new_data_key(MEMBER), MEMBER).seal(b"secret", MEMBER, new_nonce())
    with pytest.raises(InvalidTag):
        VAULT.member_box(VAULT.new_data_key(MEMBER), MEMBER).open(sealed, MEMBER)


def test_a_data_key_opens_only_for_its_member_and_by_its_master_key() -> None:
    wrapped = VAULT.new_data_key(MEMBER)
    with pytest.raises(InvalidTag):
        VAULT.member_box(wrapped, OTHER)
    with pytest.raises(InvalidTag):
        Vault(b"i" * 32, b"e" * 32).member_box(wrapped, MEMBER)


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
    assert keyed.fingerprint != Vault(b"j" * 32, b"d" * 32).keyed(request).fingerprint
