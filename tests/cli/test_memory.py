"""The embedded PostgreSQL takes its share of the memory that there is."""

from pathlib import Path

import pytest

from tessera.up.memory import MIB, memory_bytes, memory_settings


@pytest.mark.parametrize(
    ("memory", "buffers", "cache"),
    [
        (256 * MIB, "128MB", "128MB"),
        (1024 * MIB, "256MB", "512MB"),
        (4096 * MIB, "1024MB", "2048MB"),
        (24 * 1024 * MIB, "2048MB", "12288MB"),
    ],
)
def test_a_quarter_is_the_servers_and_half_is_cache(memory: int, buffers: str, cache: str) -> None:
    assert memory_settings(memory) == {"shared_buffers": buffers, "effective_cache_size": cache}


def test_a_container_has_no_more_than_its_limit(tmp_path: Path) -> None:
    limit, unlimited = tmp_path / "limit", tmp_path / "unlimited"
    limit.write_text(f"{512 * MIB}\n")
    unlimited.write_text("max\n")
    machine = memory_bytes([])
    assert machine > 512 * MIB
    assert memory_bytes([unlimited, tmp_path / "missing"]) == machine
    assert memory_bytes([unlimited, limit]) == 512 * MIB
