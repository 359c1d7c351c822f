"""A key service that is somewhere else: slow, and sometimes not there. It behaves as `KeyWrapper` says."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.identity.keys.values import Wrapped
from services.identity.keys.wrapping import HeldKeys, KeysUnavailable

DOWN_FILE = "TESSERA_TEST_KEY_SERVICE_DOWN_FILE"
"""Names a file: while it is there, the key service is not."""


@dataclass(slots=True)
class KeyService:
    """Wraps by keys that it holds for everybody, and counts how often it is asked."""

    held: HeldKeys = field(default_factory=lambda: HeldKeys({1: b"k" * 32}, 1))
    is_down: bool = False
    takes_s: float = 0.0
    asked: list[int] = field(default_factory=list)
    """How many keys each question was about."""

    @property
    def versions(self) -> frozenset[int]:
        """Those of the keys held."""
        return self.held.versions

    @property
    def writing(self) -> int:
        """The one that wraps."""
        return self.held.writing

    async def wrap(self, keys: Sequence[tuple[bytes, bytes]]) -> list[Wrapped]:
        """As the keys held do."""
        await self._answer(len(keys))
        return await self.held.wrap(keys)

    async def unwrap(self, keys: Sequence[tuple[bytes, Wrapped]]) -> list[bytes]:
        """As the keys held do."""
        await self._answer(len(keys))
        return await self.held.unwrap(keys)

    async def _answer(self, keys: int) -> None:
        self.asked.append(keys)
        await asyncio.sleep(self.takes_s)
        if self.is_down or _is_file_there():
            raise KeysUnavailable("the key service is not there")


def _is_file_there() -> bool:
    return Path(os.environ.get(DOWN_FILE, "/nowhere")).exists()


def remote() -> KeyService:
    """What `TESSERA_KEY_WRAPPER` names."""
    return KeyService()
