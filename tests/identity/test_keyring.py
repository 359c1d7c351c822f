"""Data keys: whose they are, who opens them, how long they are kept in clear."""

import asyncio
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidTag

from services.chassis import ids
from services.chassis.errors import Refused
from services.identity.keys import keyring as keyrings
from services.identity.keys.keyring import Keyring
from services.identity.keys.values import DESTROYED, Wrapped
from services.identity.keys.wrapping import HeldKeys
from services.identity.values import Member, Status
from services.identity.vault import Box, new_nonce
from tests.identity.key_service import KeyService

SOMEONE, OTHER = ids.new_id(1), ids.new_id(2)
TEXT = b"secret"


def member(data_key: Wrapped) -> Member:
    return Member(0, SOMEONE, Status.ACTIVE, datetime(2026, 1, 1, tzinfo=UTC), data_key, b"")


def opens(first: Box, second: Box) -> bool:
    """Whether one opens what the other seals."""
    try:
        return second.open(first.seal(TEXT, SOMEONE.bytes, new_nonce()), SOMEONE.bytes) == TEXT
    except InvalidTag:
        return False


async def test_each_member_has_a_key_of_its_own() -> None:
    keyring = Keyring(HeldKeys({1: b"k" * 32}, 1))
    (wrapped, box), (_, other) = await keyring.new([SOMEONE, OTHER])
    assert opens(box, (await keyring.open([member(wrapped)]))[SOMEONE])
    assert not opens(box, other)


async def test_a_data_key_opens_only_for_its_member_and_by_its_master_key() -> None:
    ((wrapped, _),) = await Keyring(HeldKeys({1: b"k" * 32}, 1)).new([SOMEONE])
    with pytest.raises(InvalidTag):
        await Keyring(HeldKeys({1: b"k" * 32}, 1)).unwrapped({OTHER: wrapped})
    with pytest.raises(InvalidTag):
        await Keyring(HeldKeys({1: b"l" * 32}, 1)).unwrapped({SOMEONE: wrapped})
    with pytest.raises(Refused, match="cannot be used now"):
        await Keyring(HeldKeys({2: b"k" * 32}, 2)).unwrapped({SOMEONE: wrapped})


async def test_the_version_that_writes_wraps_and_all_unwrap() -> None:
    old, both = HeldKeys({1: b"k" * 32}, 1), HeldKeys({1: b"k" * 32, 2: b"l" * 32}, 2)
    ((before, box),) = await Keyring(old).new([SOMEONE])
    ((after, new_box),) = await Keyring(both).new([SOMEONE])
    assert (before.version, after.version) == (1, 2)
    assert opens(box, (await Keyring(both).open([member(before)]))[SOMEONE])
    assert opens(new_box, (await Keyring(both).open([member(after)]))[SOMEONE])


async def test_keys_that_are_kept_are_not_asked_for_again_and_others_in_one_question() -> None:
    service = KeyService()
    keyring = Keyring(service)
    member_ids = [ids.new_id(number) for number in range(5)]
    wrapped = {one: key for one, (key, _) in zip(member_ids, await keyring.new(member_ids), strict=True)}
    await keyring.unwrapped({one: wrapped[one] for one in member_ids[:3]})
    await keyring.unwrapped(wrapped)
    await keyring.unwrapped(wrapped)
    assert service.asked == [5, 3, 2]


async def test_no_more_keys_are_kept_than_may_be_and_none_for_longer() -> None:
    keyring = Keyring(KeyService(), capacity=2, max_age_s=0.05)
    member_ids = [ids.new_id(number) for number in range(3)]
    keys = await keyring.new(member_ids)
    assert len(keyring) == 0
    await keyring.unwrapped({one: key for one, (key, _) in zip(member_ids, keys, strict=True)})
    assert len(keyring) == 2
    await asyncio.sleep(0.15)
    assert len(keyring) == 0


async def test_a_key_that_is_dropped_is_asked_for_again_and_a_destroyed_one_never() -> None:
    service = KeyService()
    keyring = Keyring(service)
    ((wrapped, _),) = await keyring.new([SOMEONE])
    await keyring.open([member(wrapped)])
    assert await keyring.open([member(DESTROYED)]) == {}
    keyring.drop([SOMEONE])
    assert len(keyring) == 0
    await keyring.open([member(wrapped)])
    assert service.asked == [1, 1, 1]


async def test_who_is_not_answered_in_time_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyrings, "PATIENCE_S", 0.05)
    for service in (KeyService(takes_s=60), KeyService(is_down=True)):
        with pytest.raises(Refused) as refused:
            await Keyring(service).new([SOMEONE])
        assert refused.value.rejection.reason == "KEYS_UNAVAILABLE"
