"""`tessera verify` fails where something does not hold."""

from urllib.parse import quote

import asyncpg

from tessera.up.options import Layout
from tessera.up.secrets import read_secrets
from tests.cli.command import Up

PROGRAMME = """
kind: programme
code: tampered
programme: tampered
spec: {name: Shop, time_zone: UTC, currency: USD}
"""


async def test_a_changed_byte_in_a_journal_is_found(up: Up) -> None:
    pack = up.data / "pack"
    pack.mkdir()
    (pack / "programme.yaml").write_text(PROGRAMME)
    up.json("apply", "-f", str(pack))
    password = read_secrets(Layout(up.data))["passwords"]["tiers"]
    sockets = quote(str(Layout(up.data).cluster / "socket"))
    connection = await asyncpg.connect(f"postgresql://tessera_tiers:{password}@/tessera_tiers?host={sockets}")
    try:
        row = await connection.fetchrow("SELECT partition, position, payload FROM journal LIMIT 1")
        assert row is not None
        await _write(connection, row, row["payload"] + b"\0")
        done = up.run("verify")
        await _write(connection, row, row["payload"])
    finally:
        await connection.close()
    assert done.returncode == 1
    assert f"partition {row['partition']}, position {row['position']}: the hash does not fit" in done.stdout
    assert up.run("verify").returncode == 0


async def _write(connection: asyncpg.Connection, row: asyncpg.Record, payload: bytes) -> None:
    await connection.execute(
        "UPDATE journal SET payload = $3 WHERE partition = $1 AND position = $2",
        row["partition"],
        row["position"],
        payload,
    )
