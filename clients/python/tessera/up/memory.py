"""How much memory the embedded PostgreSQL may take of the machine, or of the container that it runs in."""

import os
from collections.abc import Iterable
from pathlib import Path

MIB = 1 << 20
LEAST_BUFFERS, MOST_BUFFERS = 128 * MIB, 2048 * MIB
"""A million members' indexes fit into the most; the least is what PostgreSQL takes unless told."""

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container finds its limit: of control groups of version 2, and of version 1."""


def memory_bytes(limits: Iterable[Path] = _LIMITS) -> int:
    """The machine's memory, or what a container may have of it."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = [path.read_text().strip() for path in limits if path.exists()]
    return min([machine, *(int(limit) for limit in told if limit != "max")])


def memory_settings(memory: int) -> dict[str, str]:
    """What a server is told that shares its machine with the services: a quarter is its own, half is cache in all."""
    buffers = min(max(memory // 4, LEAST_BUFFERS), MOST_BUFFERS)
    return {
        "shared_buffers": f"{buffers // MIB}MB",
        "effective_cache_size": f"{max(memory // 2, buffers) // MIB}MB",
    }
