"""The embedded PostgreSQL of a suite: one server on its data directory, reached by a Unix socket alone."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from tessera.up import cluster
from tessera.up.children import Report, die_with_parent, how_it_ended
from tessera.up.memory import memory_bytes, memory_settings
from tessera.up.options import CannotStart, Layout

START_TIMEOUT_S = 30.0
"""A cluster that was killed under load replays its log first."""
STOP_TIMEOUT_S = 20.0
RESTART_PAUSE_S = 0.2
"""What a killed server leaves behind (processes, shared memory) is gone after a few of these."""
LONGEST_SOCKET_PATH = 85
"""The system allows 107 bytes for a socket's whole path, of which the server takes 15."""

_PID_FILE_LINES = 8
"""Of a server that is ready: the last one says so."""

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "400",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    # What is acknowledged is on disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Nothing is replicated from here.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_buffers": "16MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "15s",
    # A small machine: work in place rather than in helper processes.
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
    "random_page_cost": "1.1",
}


@asynccontextmanager
async def running_postgres(layout: Layout, admin_password: str, report: Report) -> AsyncIterator[str]:
    """A server, given as the DSN of its superuser; started again when it dies, stopped at the end."""
    await cluster.ensure_cluster(layout, admin_password)
    with socket_directory(layout) as sockets:
        process = await _start(layout, sockets)
        keeping = asyncio.create_task(_keep(process, layout, sockets, report), name="keep-postgres")
        try:
            yield f"postgresql://{cluster.ADMIN}:{quote(admin_password)}@/postgres?host={quote(str(sockets))}"
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])


def dsn_of(server_dsn: str, role: str, password: str, database: str) -> str:
    """A DSN of the server that another DSN names, for this role and database."""
    parts = urlsplit(server_dsn)
    query = f"?{parts.query}" if parts.query else ""
    return f"postgresql://{quote(role)}:{quote(password)}@{parts.netloc.rpartition('@')[2]}/{database}{query}"


@contextmanager
def socket_directory(layout: Layout) -> Iterator[Path]:
    """Where the server's socket is: in the data directory, unless that path is too long for a socket."""
    path = layout.cluster / "socket"
    is_short = len(os.fsencode(path)) <= LONGEST_SOCKET_PATH
    if is_short:
        path.mkdir(mode=0o700, exist_ok=True)
    else:
        path = Path(tempfile.mkdtemp(prefix="tessera-"))
    cluster.give_to_server(path)
    try:
        yield path
    finally:
        if not is_short:
            shutil.rmtree(path, ignore_errors=True)


async def _keep(process: asyncio.subprocess.Process, layout: Layout, sockets: Path, report: Report) -> None:
    """Starts the server again whenever it dies; stops it when cancelled."""
    try:
        while True:
            await process.wait()
            report.note(f"PostgreSQL {how_it_ended(process.returncode)}; it is started again")
            process = await _start_again(layout, sockets, report)
    finally:
        await _stop(process)


async def _start_again(layout: Layout, sockets: Path, report: Report) -> asyncio.subprocess.Process:
    while True:
        await asyncio.sleep(RESTART_PAUSE_S)
        try:
            return await _start(layout, sockets)
        except CannotStart as error:
            report.note(str(error))


async def _start(layout: Layout, sockets: Path) -> asyncio.subprocess.Process:
    own = {"unix_socket_directories": str(sockets), "unix_socket_permissions": "0700"}
    settings = {**_SETTINGS, **memory_settings(memory_bytes()), **own}
    log = layout.log("postgres")
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            str(cluster.programs() / "postgres"),
            "-D",
            str(layout.cluster),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=cluster.environment(),
            start_new_session=True,  # Ctrl-C stops the services first
            preexec_fn=die_with_parent(signal.SIGINT),
            **cluster.as_server_user(),
        )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not _is_ready(layout.cluster / "postmaster.pid", process.pid):
                if process.returncode is not None:
                    raise CannotStart(f"PostgreSQL did not start; see {log}")
                await asyncio.sleep(0.01)
    except TimeoutError:
        await _stop(process)
        raise CannotStart(f"PostgreSQL was not ready within {START_TIMEOUT_S:.0f} s; see {log}") from None
    except asyncio.CancelledError:
        await _stop(process)
        raise
    return process


def _is_ready(pid_file: Path, pid: int) -> bool:
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= _PID_FILE_LINES and lines[0] == str(pid) and lines[-1].strip() == "ready"


async def _stop(process: asyncio.subprocess.Process) -> None:
    """The fast shutdown: connections end, a checkpoint is written."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.send_signal(signal.SIGQUIT)
        await process.wait()
