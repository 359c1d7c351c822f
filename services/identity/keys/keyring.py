"""The members' data keys in clear: made, and opened for who needs them. A few are kept for a while."""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar
from uuid import UUID

import structlog

from services.chassis.errors import Refused
from services.identity.keys import errors
from services.identity.keys.values import DESTROYED, Wrapped
from services.identity.keys.wrapping import KeysUnavailable, KeyWrapper
from services.identity.values import Member
from services.identity.vault import DATA_KEY_BYTES, Box

T = TypeVar("T")
Keys = Mapping[UUID, Box]
"""What opens the data of members."""

CAPACITY = 10_000
"""Keys that are kept in clear at most, a few hundred bytes each."""
MAX_AGE_S = 300.0
"""How long one is kept at most: as long may a process remember the key of a member that another process erased, though
it never uses it again."""
PATIENCE_S = 5.0
"""How long wrapping and unwrapping may take."""
_LOG = structlog.stdlib.get_logger(__name__)


class _Kept(NamedTuple):
    wrapped: Wrapped
    box: Box
    until: float


class Keyring:
    """Opens data keys. One that is kept is used only while the member's row has it: a destroyed key opens nothing."""

    def __init__(self, wrapper: KeyWrapper, capacity: int = CAPACITY, max_age_s: float = MAX_AGE_S) -> None:
        """At most `capacity` keys are kept, each for `max_age_s`."""
        self._wrapper = wrapper
        self._capacity = capacity
        self._max_age_s = max_age_s
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def __contains__(self, member_id: UUID) -> bool:
        """Whether a member's is kept."""
        return member_id in self._kept

    async def new(self, member_ids: Sequence[UUID]) -> list[tuple[Wrapped, Box]]:
        """A new data key for each of some members. Raises Refused (KEYS_UNAVAILABLE)."""
        keys = [os.urandom(DATA_KEY_BYTES) for _ in member_ids]
        pairs = [(member_id.bytes, key) for member_id, key in zip(member_ids, keys, strict=True)]
        wrapped = await available(self._wrapper.wrap(pairs)) if pairs else []
        return [(one, Box(key)) for one, key in zip(wrapped, keys, strict=True)]

    async def open(self, members: Iterable[Member]) -> dict[UUID, Box]:
        """What opens the data of members, but of those that were erased. Raises Refused (KEYS_UNAVAILABLE)."""
        return await self.unwrapped({one.member_id: one.data_key for one in members if one.data_key != DESTROYED})

    async def unwrapped(self, keys: Mapping[UUID, Wrapped]) -> dict[UUID, Box]:
        """What wrapped data keys, by member, open. Raises Refused (KEYS_UNAVAILABLE)."""
        boxes: dict[UUID, Box] = {}
        for member_id, wrapped in keys.items():
            kept = self._kept.get(member_id)
            if kept is not None and kept.wrapped == wrapped:
                boxes[member_id] = kept.box
        missing = [(member_id, wrapped) for member_id, wrapped in keys.items() if member_id not in boxes]
        if missing:
            pairs = [(member_id.bytes, wrapped) for member_id, wrapped in missing]
            opened = await available(self._wrapper.unwrap(pairs))
            for (member_id, wrapped), key in zip(missing, opened, strict=True):
                boxes[member_id] = Box(key)
                self._keep(member_id, wrapped, boxes[member_id])
        return boxes

    def drop(self, member_ids: Iterable[UUID]) -> None:
        """Forget the keys of members."""
        for member_id in member_ids:
            self._kept.pop(member_id, None)

    def _keep(self, member_id: UUID, wrapped: Wrapped, box: Box) -> None:
        self._kept.pop(member_id, None)
        self._kept[member_id] = _Kept(wrapped, box, time.monotonic() + self._max_age_s)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._max_age_s, self._forget_old)

    def _forget_old(self) -> None:
        """They stand in the order in which they were kept, so the first are the oldest."""
        now, self._sweep = time.monotonic(), None
        while self._kept and (first := next(iter(self._kept.values()))).until <= now:
            self._kept.popitem(last=False)
        if self._kept:
            self._sweep = asyncio.get_running_loop().call_later(first.until - now, self._forget_old)


async def available(work: Awaitable[T]) -> T:
    """What the wrapper answers in time. Raises Refused (KEYS_UNAVAILABLE) when it does not."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await work
    except (KeysUnavailable, TimeoutError) as error:
        _LOG.warning("the master keys cannot be used", problem=type(error).__name__)
        raise Refused(errors.KEYS_UNAVAILABLE) from error
