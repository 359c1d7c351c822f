"""The `tessera` command as a person runs it: a process of its own."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT_S = 60
SERVING = "All four services are SERVING"
_MAIN = "from tessera.cli import main; main()"
_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("TESSERA_")}


def tessera(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-c", _MAIN, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**_ENVIRONMENT, **environment},
    )


@dataclass
class Up:
    """A running `tessera up`. What it says is read all the time, so that it never waits for a reader."""

    process: subprocess.Popen[str]
    data: Path
    said: list[str] = field(default_factory=list)
    _lines: "queue.Queue[str | None]" = field(default_factory=queue.Queue)

    def listen(self) -> None:
        """Reads until the command ends; runs in a thread."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def read_until(self, text: str) -> str:
        """Waits for a line with `text`, and returns it."""
        while (line := self._lines.get(timeout=TIMEOUT_S)) is not None:
            self.said.append(line)
            if text in line:
                return line
        raise AssertionError(f"it ended without saying {text!r}:\n{''.join(self.said)}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs another command against this suite."""
        return tessera(*arguments, "--data", str(self.data))

    def json(self, *arguments: str) -> Any:
        """The result of another command, which must succeed."""
        done = self.run(*arguments, "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def suite(self) -> dict[str, Any]:
        """What the suite's file says."""
        described: dict[str, Any] = json.loads((self.data / "suite.json").read_text())
        return described

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Sends a signal; returns the exit code when it is gone."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_S)


@contextmanager
def started(data: Path, *options: str, command: tuple[str, ...] = ("up",)) -> Iterator[Up]:
    """A command that serves, on ports of its own; interrupted at the end if it still runs."""
    ports = ("--port", "0", "--metrics-port", "0")
    process = subprocess.Popen(
        [sys.executable, "-c", _MAIN, *command, "--data", str(data), *ports, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_ENVIRONMENT,
    )
    up = Up(process, data)
    reader = threading.Thread(target=up.listen)
    reader.start()
    try:
        yield up
    finally:
        if process.poll() is None:
            up.stop()
        reader.join(TIMEOUT_S)
        assert process.stdout is not None
        process.stdout.close()


def running_below(pid: int) -> list[int]:
    """All processes that a process started, and those that they started."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return [below for child in children for below in (child, *running_below(child))]


def still_running(pids: Iterable[int]) -> list[str]:
    """The command lines of those that have not ended."""
    return [line for pid in pids if (line := command_line(pid))]


def command_line(pid: int) -> str:
    """How a process was started; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
