"""Starting a suite and stopping it: the order of things."""

import asyncio
import fcntl
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc

from tessera.client import open_channel
from tessera.suite import (
    AUTHORITY,
    SUITE_FILE,
    Suite,
    certificate_file,
    checkout_root,
    credentials,
    data_root,
    key_file,
    write_suite,
)
from tessera.topology import FOLLOWS, SERVICES
from tessera.up.certificates import HOST, prepare_certificates
from tessera.up.children import DRAIN_GRACE_S, Child, Report, check_alive, end_together, inherited
from tessera.up.databases import outdated, prepare_databases
from tessera.up.options import PARTITIONS, CannotStart, Layout, Options, Ports, ports_of
from tessera.up.postgres import running_postgres
from tessera.up.secrets import OPERATOR, prepare_access, read_secrets

SERVING_TIMEOUT_S = 60.0
WATCH_INTERVAL_S = 0.1

_HEALTH_CHECK = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
"""A HealthCheckResponse that says SERVING."""
_QUICK_RECONNECT = tuple((f"grpc.{name}_reconnect_backoff_ms", 20) for name in ("initial", "min", "max"))


@asynccontextmanager
async def running_suite(options: Options, report: Report) -> AsyncIterator[Suite]:
    """A suite that serves; at the end it is drained and stopped, and nothing of it is left running.

    Raises CannotStart with a text for people.
    """
    root = checkout_root()
    if root is None:
        raise CannotStart("`tessera up` needs the checkout of Tessera: the services are not part of the SDK")
    layout = Layout(options.data.resolve())
    layout.logs.mkdir(parents=True, exist_ok=True)
    with _locked(layout), ExitStack() as reserved:
        _check_clock(options, layout)
        ports = _free_ports(options, reserved)
        secrets = read_secrets(layout)
        async with _preloaded(root, layout, report) as children:
            prepare_access(layout)
            if options.speaks_tls:
                prepare_certificates(layout)
            async with _database_server(options, layout, secrets, report) as admin_dsn:
                try:
                    await _let_serve(children, options, layout, ports, admin_dsn, secrets, root)
                    with _announced(_describe(options, layout, ports), layout) as suite:
                        yield suite
                finally:
                    await end_together(children)


@asynccontextmanager
async def _preloaded(root: Path, layout: Layout, report: Report) -> AsyncIterator[list[Child]]:
    """The services' processes, which import their code while the database is prepared."""
    children = [Child(name, root, layout.log(name), report) for name in SERVICES]
    try:
        await asyncio.gather(*(child.preload() for child in children))
        yield children
    finally:
        await end_together(children)


@asynccontextmanager
async def _database_server(
    options: Options, layout: Layout, secrets: Mapping[str, Any], report: Report
) -> AsyncIterator[str]:
    """The superuser's DSN of the PostgreSQL given, or of the embedded one, which is stopped at the end."""
    if options.admin_dsn is not None:
        yield options.admin_dsn
        return
    async with running_postgres(layout, secrets["passwords"]["admin"], report) as admin_dsn:
        yield admin_dsn


async def _let_serve(
    children: list[Child],
    options: Options,
    layout: Layout,
    ports: Ports,
    admin_dsn: str,
    secrets: Mapping[str, Any],
    root: Path,
) -> None:
    dsns = await prepare_databases(admin_dsn, secrets["passwords"])
    to_migrate = await outdated(dsns, root)
    if to_migrate:
        await _migrate({service: dsns[service] for service in to_migrate}, root)
    for child in children:
        await child.go(_settings(child.name, options, layout, ports, dsns[child.name], secrets))
    await _until_serving(children, layout, ports, credentials(layout.tls, OPERATOR) if options.speaks_tls else None)


async def _migrate(dsns: Mapping[str, str], root: Path) -> None:
    """Brings the databases of services up to date. Raises CannotStart with what was said when that fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tessera.up.migrate",
        cwd=root,
        env=inherited(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    order = json.dumps({"dsns": dsns, "partitions": PARTITIONS}) + "\n"
    said, _ = await process.communicate(order.encode())
    if process.returncode:
        raise CannotStart(f"the databases cannot be migrated:\n{said.decode(errors='replace')}")


def _settings(
    service: str, options: Options, layout: Layout, ports: Ports, dsn: str, secrets: Mapping[str, Any]
) -> dict[str, str]:
    """The environment of a service."""
    feeds = {source: f"{HOST}:{ports.calls[source]}" for source in sorted(FOLLOWS[service])}
    settings = {
        "DATABASE_DSN": dsn,
        "PARTITIONS": str(PARTITIONS),
        "CLOCK": options.clock,
        "TRANSPORT": options.transport,
        "WORKERS": str(options.workers),
        "LISTEN": f"{HOST}:{ports.calls[service]}",
        "METRICS_LISTEN": f"{HOST}:{ports.metrics[service]}",
        "POLICY_FILE": str(layout.policy),
        "JWKS_FILE": str(layout.jwks),
        "PAGE_TOKEN_KEY": secrets["page_token_key"],
        "AUDIT_KEY": secrets["audit_key"],
        "FEEDS": json.dumps(feeds),
        "FEED_TOKEN_FILE": str(layout.token(service)),
        "DRAIN_GRACE_S": str(DRAIN_GRACE_S),
        "LOG_LEVEL": options.log_level,
    }
    if service == "identity":
        neighbours = {name: f"{HOST}:{port}" for name, port in ports.calls.items() if name != service}
        settings |= {
            "BLIND_INDEX_KEY": secrets["blind_index_key"],
            "DATA_KEY": secrets["data_key"],
            "NEIGHBOURS": json.dumps(neighbours),
        }
    if options.speaks_tls:
        settings |= {
            "TLS_CERTIFICATE_FILE": str(certificate_file(layout.tls, service)),
            "TLS_KEY_FILE": str(key_file(layout.tls, service)),
            "TLS_CA_FILE": str(certificate_file(layout.tls, AUTHORITY)),
        }
    if options.virtual_clock_start is not None:
        settings["VIRTUAL_CLOCK_START"] = options.virtual_clock_start
    return {f"TESSERA_{name}": value for name, value in settings.items()}


async def _until_serving(
    children: list[Child], layout: Layout, ports: Ports, tls: grpc.ChannelCredentials | None
) -> None:
    """Returns when all services say SERVING; raises CannotStart when one ends or takes too long."""
    checks = {asyncio.create_task(_serving(port, tls)): name for name, port in ports.calls.items()}
    try:
        async with asyncio.timeout(SERVING_TIMEOUT_S):
            waiting = set(checks)
            while waiting:
                _, waiting = await asyncio.wait(waiting, timeout=WATCH_INTERVAL_S)
                check_alive(children, layout.log)
    except TimeoutError:
        late = ", ".join(name for check, name in checks.items() if not check.done())
        raise CannotStart(f"not SERVING within {SERVING_TIMEOUT_S:.0f} s: {late}; see {layout.logs}") from None
    finally:
        for check in checks:
            check.cancel()


async def _serving(port: int, tls: grpc.ChannelCredentials | None) -> None:
    """Returns when the service at a port says SERVING."""
    async with open_channel(f"{HOST}:{port}", tls, _QUICK_RECONNECT) as channel:
        check: Any = channel.unary_unary(_HEALTH_CHECK, request_serializer=None, response_deserializer=None)
        while True:
            try:
                if await check(b"", wait_for_ready=True) == _SERVING:
                    return
            except grpc.aio.AioRpcError:
                pass  # it came and went; the process is watched
            await asyncio.sleep(WATCH_INTERVAL_S)


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """Keeps a second suite from the same data directory."""
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CannotStart(
                f"a suite is already running on {layout.data} (process {lock.read().strip() or 'unknown'})"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _check_clock(options: Options, layout: Layout) -> None:
    """A suite keeps the kind of clock it was first started with: its databases have lived by it."""
    file = layout.data / "clock"
    if not file.exists():
        file.write_text(options.clock + "\n")
    kept = file.read_text().strip()
    if kept != options.clock:
        raise CannotStart(
            f"{layout.data} has lived by a {kept} clock: start it with --clock {kept}, or use other --data"
        )


def _free_ports(options: Options, reserved: ExitStack) -> Ports:
    """The ports to use; raises CannotStart naming all that somebody else holds.

    Those that the system chose stay bound, as long as `reserved` is open, so that it gives them to nobody else.
    """
    ports = ports_of(options)
    taken: list[str] = []
    calls = {name: _free_port(name, port, taken, reserved) for name, port in ports.calls.items()}
    metrics = {name: _free_port(f"{name}'s metrics", port, taken, reserved) for name, port in ports.metrics.items()}
    if taken:
        raise CannotStart(
            f"taken by another program: {', '.join(taken)}. Choose others with --port and --metrics-port."
        )
    return Ports(calls, metrics)


def _free_port(use: str, port: int, taken: list[str], reserved: ExitStack) -> int:
    with ExitStack() as closed_at_once:
        probe = (closed_at_once if port else reserved).enter_context(socket.socket())
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port == 0:
            # With this a service can bind it, too. A port that was asked for must not be shared with another suite.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            taken.append(f"port {port} ({use})")
        return int(probe.getsockname()[1])


def _describe(options: Options, layout: Layout, ports: Ports) -> Suite:
    return Suite(
        addresses={name: f"{HOST}:{port}" for name, port in ports.calls.items()},
        metrics={name: f"{HOST}:{port}" for name, port in ports.metrics.items()},
        token_file=str(layout.token(OPERATOR)),
        clock=options.clock,
        data=str(layout.data),
        pid=os.getpid(),
        tls=str(layout.tls) if options.speaks_tls else "",
    )


@contextmanager
def _announced(suite: Suite, layout: Layout) -> Iterator[Suite]:
    """Tells clients where the suite is, as long as it serves: in its data directory, and as the one started last."""
    last = data_root() / SUITE_FILE
    last.parent.mkdir(parents=True, exist_ok=True)
    files = (layout.data / SUITE_FILE, last)
    for file in files:
        write_suite(suite, file)
    try:
        yield suite
    finally:
        for file in files:
            if file.exists() and json.loads(file.read_text())["pid"] == suite.pid:
                file.unlink()
