"""The services as processes: started, watched, restarted when they die, stopped in order."""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from tessera.up.options import CannotStart

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 10.0
"""A service that dies at once, again and again, is restarted ever more slowly, up to this."""
STABLE_AFTER_S = 30.0
"""A service that lived this long died of something new: its backoff starts over."""

DRAIN_GRACE_S = 5.0
"""How long a service's calls in flight may still take when the suite stops."""
STOP_TIMEOUT_S = DRAIN_GRACE_S + 10.0

MAX_LINE_BYTES = 1 << 20

_PR_SET_PDEATHSIG = 1


class Report(Protocol):
    """Who hears what happens to the processes of a suite."""

    def note(self, text: str) -> None:
        """Something happened that a person should know."""

    def line(self, name: str, line: str) -> None:
        """A process wrote a line."""


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """What makes a new process get a signal when this one dies, however it dies (Linux; elsewhere it does nothing)."""

    def arrange() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)

    return arrange


class Child:
    """One service's process, from the start of the suite to its end."""

    def __init__(self, name: str, root: Path, log: Path, report: Report) -> None:
        self.name = name
        self._root = root
        self._log = log
        self._report = report
        self._process: asyncio.subprocess.Process | None = None
        self._environment: dict[str, str] = {}
        self._stopping = asyncio.Event()
        self.deaths = 0
        """How often the process ended without being asked to."""
        self._watching: asyncio.Task[None] | None = None

    async def preload(self) -> None:
        """Starts the interpreter and lets it import its code while the database is still being prepared."""
        self._process = await self._spawn(["-m", "tessera.up.launch", self.name], {})

    async def go(self, environment: Mapping[str, str]) -> None:
        """Lets it serve with these settings."""
        self._environment = dict(environment)
        assert self._process is not None
        assert self._process.stdin is not None
        order = {"environment": self._environment}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.close()
        self._watching = asyncio.create_task(self._watch(self._process), name=f"watch-{self.name}")

    @property
    def pid(self) -> int | None:
        """The process that serves now."""
        return self._process.pid if self._process is not None else None

    async def stop(self) -> None:
        """Lets calls in flight end, then returns when the process is gone."""
        self._stopping.set()
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                self._report.note(f"{self.name} did not stop and is killed")
                process.kill()
                await process.wait()
        if self._watching is not None:
            await self._watching

    async def _spawn(self, arguments: list[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=self._root,
            env={**inherited(), **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=MAX_LINE_BYTES,
            start_new_session=True,  # Ctrl-C reaches the suite alone, which stops its services in order
            preexec_fn=die_with_parent(signal.SIGKILL),  # what is acknowledged is in the database
        )

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Passes on what the process writes, and starts it again when it dies, until the suite stops."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            started = time.monotonic()
            await self._listen(process)
            await process.wait()
            if self._stopping.is_set():
                return
            self.deaths += 1
            if time.monotonic() - started > STABLE_AFTER_S:
                backoff_s = FIRST_BACKOFF_S
            self._report.note(f"{self.name} {how_it_ended(process.returncode)}; it is started again in {backoff_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff_s)
                return
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)
            process = self._process = await self._spawn(["-m", f"services.{self.name}"], self._environment)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with self._log.open("ab") as log:
            while True:
                try:
                    line = await process.stdout.readline()
                except ValueError:
                    continue  # longer than any line may be; its rest follows
                if not line:
                    return
                log.write(line)
                log.flush()
                self._report.line(self.name, line.decode(errors="replace").rstrip("\n"))


def inherited() -> dict[str, str]:
    """What a service inherits: no TESSERA_ variable, since its settings come from the suite alone."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TESSERA_")}


def how_it_ended(code: int | None) -> str:
    """An exit code in words."""
    if code is not None and code < 0:
        return f"was killed ({signal.Signals(-code).name})"
    return f"ended with exit code {code}"


async def end_together(children: list[Child]) -> None:
    """Stops services at the same time."""
    await asyncio.gather(*(child.stop() for child in children))


def check_alive(children: list[Child], logs: Callable[[str], Path]) -> None:
    """Raises CannotStart for a service that ended before it ever served."""
    for child in children:
        if child.deaths:
            raise CannotStart(f"{child.name} ended while starting; its last words are in {logs(child.name)}")
