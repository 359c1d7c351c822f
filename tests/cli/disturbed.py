"""Lives through a part of the year while services are killed and the replay itself is stopped."""

import asyncio
import os
import signal
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tessera import connect
from tessera.cli.replay import PACK
from tessera.grocer import Day
from tessera.packs import publish_pack, read_pack
from tessera.replay.days import replay
from tessera.replay.notes import Notes
from tessera.replay.part import Part
from tessera.replay.summary import prove, summarise
from tessera.suite import checkout_root
from tests.cli.command import Up, command_line, running_below

LATER = 0.01
"""Seconds after the end of a day: the next one is under way."""


class _Stopped(Exception):
    """The replay was stopped."""


async def live_disturbed(
    suite: Up, part: Part, kills: Mapping[int, str], stops: Collection[int]
) -> tuple[dict[str, Any], list[str]]:
    """The figures of the part and what its proofs found.

    After so many days a service is killed in the middle of the next one, or the replay stopped and begun again.
    """
    done = 0

    def on_day(day: Day) -> None:
        nonlocal done
        done += 1
        if done in kills:
            asyncio.get_running_loop().call_later(LATER, _kill, suite, kills[done])
        if done in stops:
            raise _Stopped

    for _ in stops:
        with pytest.raises(_Stopped):
            await _replay(suite, part, on_day)
    lived = await _replay(suite, part, on_day)
    for service in kills.values():
        suite.read_until(f"{service} was killed (SIGKILL)")
    return lived


async def _replay(suite: Up, part: Part, on_day: Any) -> tuple[dict[str, Any], list[str]]:
    year = part.load()
    async with connect(suite_file=suite.data) as client:
        await publish_pack(client, read_pack(_pack()), dry_run=False)
        notes = Notes.read(suite.data, part.text)
        await replay(client, year, notes, on_day)
        summary = await summarise(client, year, notes)
        proofs = await prove(client, year, summary)
        return asdict(summary), [finding for proof in proofs for finding in proof.findings]


def _pack() -> Path:
    root = checkout_root()
    assert root is not None
    return root / PACK


def _kill(suite: Up, service: str) -> None:
    for pid in running_below(suite.process.pid):
        if command_line(pid).endswith((f"launch {service}", f"-m services.{service}")):
            os.kill(pid, signal.SIGKILL)
