"""`tessera up`: everything starts, nothing is left, and what goes wrong is said in words."""

import asyncio
import os
import select
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
import yaml

from services.chassis.access import AccessPolicy
from tessera import connect
from tessera.cli.console import LogPrinter, out
from tessera.points.v1.points_service_pb2 import GetLedgerSummaryRequest
from tessera.suite import SUITE_FILE
from tessera.topology import SERVICES
from tessera.up.options import Layout, Options
from tessera.up.postgres import LONGEST_SOCKET_PATH, running_postgres, socket_directory
from tessera.up.run import _free_ports
from tessera.up.secrets import POLICY, read_secrets
from tests.cli.command import SERVING, Up, command_line, running_below, started, still_running, tessera


def test_a_second_suite_on_the_same_data_is_refused(up: Up) -> None:
    done = tessera("up", "--data", str(up.data), "--port", "0", "--metrics-port", "0")
    assert done.returncode == 1
    assert f"a suite is already running on {up.data} (process {up.process.pid})" in done.stderr


def test_ports_that_others_hold_are_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = tessera("up", "--data", str(tmp_path), "--port", str(port - 1), "--metrics-port", "0")
    assert done.returncode == 1
    assert f"port {port} (points)" in done.stderr
    assert "--port" in done.stderr


def test_ports_that_the_system_chose_are_kept_from_others(tmp_path: Path) -> None:
    with ExitStack() as reserved:
        ports = _free_ports(Options(tmp_path, port=0, metrics_port=0), reserved)
        chosen = {*ports.calls.values(), *ports.metrics.values()}
        assert len(chosen) == 2 * len(SERVICES)
        for port in chosen:
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))


def test_a_suite_keeps_its_kind_of_clock(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("virtual\n")
    done = tessera("up", "--data", str(tmp_path), "--port", "0", "--metrics-port", "0")
    assert done.returncode == 1
    assert "has lived by a virtual clock" in done.stderr


def test_a_server_that_cannot_be_reached_is_said_in_words(tmp_path: Path) -> None:
    dsn = "postgresql://nobody:secret@127.0.0.1:1/postgres"
    done = tessera("up", "--data", str(tmp_path), "--port", "0", "--metrics-port", "0", "--admin-dsn", dsn)
    assert done.returncode == 1
    assert "PostgreSQL cannot be reached" in done.stderr
    assert "secret" not in done.stderr


def test_the_suite_says_where_it_is(up: Up) -> None:
    assert set(up.suite["addresses"]) == set(SERVICES)
    assert up.suite["pid"] == up.process.pid
    assert (Path(up.suite["token_file"]).stat().st_mode & 0o777) == 0o600


def test_the_services_trust_the_callers_that_the_suite_issued_tokens_for(up: Up) -> None:
    policy = AccessPolicy.load(Layout(up.data).policy)
    assert set(policy.callers) == {"operator", *SERVICES, "fuel"} == set(yaml.safe_load(POLICY)["callers"])
    assert policy.callers["fuel"].may_act_in("fuel")
    assert not policy.callers["fuel"].may_act_in("travel")
    assert policy.callers["points"].permissions == {"events.feed.read"}


async def test_a_role_reaches_its_own_database_and_no_other(up: Up) -> None:
    passwords = read_secrets(Layout(up.data))["passwords"]
    sockets = quote(str(Layout(up.data).cluster / "socket"))
    for role in SERVICES:
        for database in SERVICES:
            dsn = f"postgresql://tessera_{role}:{passwords[role]}@/tessera_{database}?host={sockets}"
            if role == database:
                connection = await asyncpg.connect(dsn)
                await connection.close()
                continue
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(dsn)


async def test_what_is_acknowledged_is_on_disk(up: Up) -> None:
    password = read_secrets(Layout(up.data))["passwords"]["points"]
    sockets = quote(str(Layout(up.data).cluster / "socket"))
    connection = await asyncpg.connect(f"postgresql://tessera_points:{password}@/tessera_points?host={sockets}")
    try:
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
    finally:
        await connection.close()


STOP_TIMEOUT_S = 30


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a suite that is started and stopped."""
    return tmp_path_factory.mktemp("own")


def test_a_killed_service_is_started_again_and_ctrl_c_stops_everything(own: Path) -> None:
    with started(own) as suite:
        suite.read_until(SERVING)
        (victim,) = [pid for pid in running_below(suite.process.pid) if command_line(pid).endswith(" points")]
        os.kill(victim, signal.SIGKILL)
        assert "was killed (SIGKILL)" in suite.read_until("points was killed")
        suite.read_until("serving")
        asyncio.run(_ask_points(suite))
        processes = running_below(suite.process.pid)
        assert len(processes) > len(SERVICES)
        assert suite.stop(signal.SIGINT) == 0
    assert still_running(processes) == []
    assert not (own / SUITE_FILE).exists()


def test_a_killed_database_is_started_again(own: Path) -> None:
    with started(own) as suite:
        suite.read_until(SERVING)
        os.kill(int((Layout(own).cluster / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        suite.read_until("PostgreSQL was killed (SIGKILL); it is started again")
        asyncio.run(_ask_points(suite))


async def _ask_points(suite: Up) -> None:
    async with connect(suite_file=suite.data) as client:
        await client.points.GetLedgerSummary(GetLedgerSummaryRequest())


def test_a_suite_starts_again_on_what_it_kept_and_sigterm_stops_it(own: Path) -> None:
    with started(own) as suite:
        suite.read_until(SERVING)
        processes = running_below(suite.process.pid)
        assert suite.stop(signal.SIGTERM) == 0
    assert still_running(processes) == []


def test_when_the_command_itself_is_killed_its_processes_end_too(own: Path) -> None:
    with started(own) as suite:
        suite.read_until(SERVING)
        handles = [os.pidfd_open(pid) for pid in running_below(suite.process.pid)]
        suite.process.kill()
        for handle in handles:
            ended, _, _ = select.select([handle], [], [], STOP_TIMEOUT_S)
            os.close(handle)
            assert ended
    with started(own) as suite:  # and nothing is in the way of the next
        suite.read_until(SERVING)


async def test_another_postgresql_can_be_used_instead_of_the_embedded_one(tmp_path: Path) -> None:
    elsewhere, data = Layout(tmp_path / "elsewhere"), tmp_path / "suite"
    elsewhere.logs.mkdir(parents=True)
    async with running_postgres(elsewhere, "an admin's password", LogPrinter(out(), everything=True)) as admin_dsn:
        with started(data, "--admin-dsn", admin_dsn) as suite:
            await asyncio.to_thread(suite.read_until, SERVING)
            await _ask_points(suite)
            assert await asyncio.to_thread(suite.stop) == 0
        connection = await asyncpg.connect(admin_dsn)
        databases = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'tessera%'")
        await connection.close()
    assert {row["datname"] for row in databases} == {f"tessera_{service}" for service in SERVICES}
    assert not Layout(data).cluster.exists()


def test_a_path_that_is_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("long" * 30))
    layout.cluster.mkdir(parents=True)
    with socket_directory(layout) as path:
        assert len(str(path)) < LONGEST_SOCKET_PATH
        assert path.is_dir()
    assert not path.exists()
