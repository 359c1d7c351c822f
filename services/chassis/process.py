"""The life of a service process: start, serve until a signal, drain, close, exit 0; and of workers that share a port.

    def main() -> None:
        settings = load_settings(ServiceSettings, "points")
        run_service(settings, start)

`start` opens what the service needs and returns it `Running`. With more than one worker the process only supervises:
each worker is a fresh interpreter with the same command line, spawned before any gRPC object exists.
"""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from services.chassis.access import PolicyError
from services.chassis.certificates import CertificateError
from services.chassis.database import UnfitDatabase
from services.chassis.logs import configure_logs
from services.chassis.server import Server, ServerError
from services.chassis.settings import ENV_PREFIX, ServiceSettings
from services.chassis.telemetry import MetricsError

_LOG = structlog.stdlib.get_logger(__name__)

WORKER_INDEX = f"{ENV_PREFIX}WORKER_INDEX"
"""Environment variable by which a worker knows that it is one."""

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
"""A worker that dies at once, again and again, is restarted ever more slowly, up to this."""

STABLE_AFTER_S = 60.0
"""A worker that lived this long died of something new: its backoff starts over."""

CLOSE_TIMEOUT_S = 5.0
"""What closing tasks and connections may take after the drain: longer than the database lets any transaction take."""

CLOSE_MARGIN_S = 10.0
"""What a worker may take beyond the drain grace, to close its tasks and pools, before it is killed."""

GC_THRESHOLD = 200_000
"""Objects made, less those ended, between two collections of the young: a batch makes tens of thousands, and leaves
none."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Running:
    """A service that is ready to serve: its server (built, not started), and what is closed after the last call."""

    server: Server
    close: Callable[[], Awaitable[None]] = _nothing
    platform: Any = None


Start = Callable[[ServiceSettings], Awaitable[Running]]


def run_service(settings: ServiceSettings, start: Start) -> None:
    """Runs the service until SIGTERM or SIGINT; returns when all is closed.

    Exits with code 1 when an address, the transport, the policy file or the database cannot be used, and when closing
    takes too long; raises what else `start` raises.
    """
    configure_logs(settings, with_exception_text=not settings.production)
    if settings.workers > 1 and settings.worker_index is None:
        asyncio.run(_supervise(settings))
        return
    try:
        asyncio.run(_serve(settings, start))
    except (ServerError, CertificateError, MetricsError, PolicyError, UnfitDatabase) as error:
        _LOG.error("cannot start", reason=str(error))
        sys.exit(1)


async def _serve(settings: ServiceSettings, start: Start) -> None:
    stop = _stop_on_signals()
    if settings.worker_index is not None:
        _stop_without_parent(stop)
    running = await start(settings)
    _spare_collections()
    await running.server.start()
    _LOG.info(
        "serving",
        address=running.server.address,
        transport=settings.transport,
        worker=settings.worker_index,
        pid=os.getpid(),
    )
    await stop.wait()
    _LOG.info("draining", grace_s=settings.drain_grace_s)
    await _end(running, settings.drain_grace_s)
    _LOG.info("stopped")


async def _end(running: Running, grace_s: float) -> None:
    """Drain and close. A database that fell silent lets nothing be closed: what is left then ends with the process."""
    ending = asyncio.create_task(_drain_and_close(running, grace_s))
    await asyncio.wait([ending], timeout=grace_s + CLOSE_TIMEOUT_S)
    if not ending.done():
        _LOG.error("not everything could be closed in time; the process ends all the same")
        sys.stdout.flush()
        os._exit(1)
    ending.result()


async def _drain_and_close(running: Running, grace_s: float) -> None:
    await running.server.drain(grace_s)
    await running.close()


def _spare_collections() -> None:
    """Leave what lives for ever out of garbage collections, and run them less often: batches make many short lives."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return stop


def _stop_without_parent(stop: asyncio.Event) -> None:
    """Stops a worker whose supervisor is gone, however it went: the pipe that is the worker's stdin then ends."""
    loop = asyncio.get_running_loop()

    def on_readable() -> None:
        if not os.read(sys.stdin.fileno(), 1):
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    loop.add_reader(sys.stdin.fileno(), on_readable)


async def _supervise(settings: ServiceSettings) -> None:
    stop = _stop_on_signals()
    _LOG.info("supervising", workers=settings.workers)
    async with asyncio.TaskGroup() as workers:
        for index in range(settings.workers):
            workers.create_task(_keep_worker(index, settings, stop))


async def _keep_worker(index: int, settings: ServiceSettings, stop: asyncio.Event) -> None:
    """Restarts worker `index` whenever it ends, until `stop`; then lets it drain."""
    backoff_s = FIRST_BACKOFF_S
    while not stop.is_set():
        started = time.monotonic()
        worker = await _spawn(index)
        if await _ended_before(worker, stop):
            if time.monotonic() - started > STABLE_AFTER_S:
                backoff_s = FIRST_BACKOFF_S
            _LOG.error("worker died", worker=index, code=worker.returncode, restart_in_s=backoff_s)
            await _wait_at_most(stop, backoff_s)
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)
        else:
            await _stop_worker(worker, settings.drain_grace_s + CLOSE_MARGIN_S)


async def _spawn(index: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *sys.orig_argv[1:],
        stdin=asyncio.subprocess.PIPE,
        env={**os.environ, WORKER_INDEX: str(index)},
        start_new_session=True,  # Ctrl-C reaches the supervisor alone, which passes it on once
    )


async def _ended_before(worker: asyncio.subprocess.Process, stop: asyncio.Event) -> bool:
    ended, stopped = asyncio.ensure_future(worker.wait()), asyncio.ensure_future(stop.wait())
    await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    return ended.done()


async def _wait_at_most(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def _stop_worker(worker: asyncio.subprocess.Process, patience_s: float) -> None:
    worker.terminate()
    try:
        await asyncio.wait_for(worker.wait(), patience_s)
    except TimeoutError:
        _LOG.error("worker did not drain and was killed", pid=worker.pid)
        worker.kill()
        await worker.wait()
