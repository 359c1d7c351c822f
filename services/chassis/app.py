"""A whole service, put together: what each service says of itself, and the straight line that starts it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Generic, TypeVar

import asyncpg
import sqlalchemy as sa
import structlog
from google.protobuf.descriptor import ServiceDescriptor

from services.chassis.at_least import AtLeast
from services.chassis.audit.servicer import AuditServicer
from services.chassis.audit.trail import Trail, remove_old_links
from services.chassis.batches import BatchListener, BatchWriter, CommitListener, warm
from services.chassis.certificates import Connection, certificates_of
from services.chassis.clock import Clock, prepare_clock
from services.chassis.clock_service import ClockServicer
from services.chassis.config_service import ConfigServicer
from services.chassis.configurations import Configurations
from services.chassis.cursors import all_cursors
from services.chassis.database import WriteConnection, connect_for_long_reads, open_pool
from services.chassis.documents import Document
from services.chassis.feed import EventFeedServicer, read_heads
from services.chassis.follower import Follower, ParseEvent
from services.chassis.heads import check_partitions
from services.chassis.idempotency import maintain_months
from services.chassis.jobs import Job, JobRunner
from services.chassis.lanes import Lanes
from services.chassis.measurements import BatchMeasurements, ServiceGauges
from services.chassis.operations import BatchState, Operations
from services.chassis.paging import PageTokens
from services.chassis.process import Running, run_service
from services.chassis.progress import Progress
from services.chassis.publishing import Publisher
from services.chassis.server import Service, build_server
from services.chassis.settings import DatabaseSettings, ServiceSettings, load_settings
from services.chassis.store import Store
from services.chassis.telemetry import Telemetry, start_telemetry
from tessera.audit.v1 import audit_service_pb2
from tessera.clock.v1 import clock_service_pb2
from tessera.config.v1 import config_service_pb2
from tessera.events.v1 import event_feed_pb2

_LOG = structlog.stdlib.get_logger(__name__)

READ_CONNECTIONS = 8
MAINTENANCE_INTERVAL_S = 3600
PUBLISH_TIMEOUT_MS = 30_000
"""Publishing writes thousands of documents and holds all heads; it is rare."""

State = TypeVar("State", bound=BatchState)
Config = TypeVar("Config")


@dataclass(frozen=True, slots=True)
class Platform(Generic[Config]):
    """What the chassis gives a service's servicer and jobs."""

    settings: ServiceSettings
    pool: asyncpg.Pool
    lanes: Lanes
    configurations: Configurations[Config]
    clock: Clock
    at_least: AtLeast
    page_tokens: PageTokens
    telemetry: Telemetry

    @asynccontextmanager
    async def long_reads(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its own for a read that takes longer than a call usually may, such as a proof of it all."""
        connection = await connect_for_long_reads(
            self.settings.database_dsn.get_secret_value(), f"{self.settings.service}-long-reads"
        )
        try:
            yield connection
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class Definition(Generic[State, Config]):
    """What a service says of itself."""

    name: str
    metadata: sa.MetaData
    """Its tables, those of the chassis among them; a batch writes those that have a partition."""
    operations: Operations[State, Config]
    compile_documents: Callable[[Sequence[Document]], Config]
    contract: ServiceDescriptor
    servicer: Callable[[Platform[Config]], object]
    follows: Mapping[str, ParseEvent]
    """How the events of each service that it follows are read."""
    jobs: Callable[[Platform[Config]], Sequence[Job[Config]]]
    background: Callable[[Platform[Config]], Coroutine[Any, Any, None]] | None = None
    """What runs beside the calls in real time, from when everything is wired until the service closes."""
    check: Callable[[ServiceSettings, asyncpg.Pool], Awaitable[None]] | None = None
    """Raises UnfitDatabase when the service cannot serve this database as it is told to."""
    settings_class: type[ServiceSettings] = ServiceSettings
    """What it is told by its environment."""
    further: Callable[[Platform[Config]], Sequence[Service]] = lambda platform: ()
    """Contracts that it serves beside its own."""
    fixed_fields: Mapping[str, str] = field(default_factory=dict)
    """By kind of document the field of its spec that stays as it was first published, for ever."""


def main(definition: Definition[Any, Any]) -> None:
    """`python -m services.<name>` serves; with the argument `migrate` it brings its database up to date instead."""
    if sys.argv[1:] == ["migrate"]:
        from services.chassis.migrations import migrate  # ten megabytes that no serving process needs

        database = load_settings(DatabaseSettings, definition.name)
        migrate(database.database_dsn.get_secret_value(), definition.name, database.partitions)
        return
    if sys.argv[1:]:
        sys.exit(f"usage: python -m services.{definition.name} [migrate]")
    settings = load_settings(definition.settings_class, definition.name)
    run_service(settings, lambda given: start(given, definition))


async def start(
    settings: ServiceSettings, definition: Definition[State, Config], telemetry: Telemetry | None = None
) -> Running:
    """Everything a service needs, opened and wired, and its server, not yet serving; `telemetry` replaces its own.

    Raises UnfitDatabase, and what `build_server` raises; what was opened by then is closed again.
    """
    async with AsyncExitStack() as opened:
        telemetry = telemetry or start_telemetry(settings)
        opened.callback(telemetry.close)
        pool = await open_pool(settings.database_dsn.get_secret_value(), f"{definition.name}-reads", READ_CONNECTIONS)
        opened.push_async_callback(pool.close)
        await _prepare_database(pool, settings)
        if definition.check is not None:
            await definition.check(settings, pool)
        running = await _wire(settings, definition, telemetry, pool, opened)
        return replace(running, close=opened.pop_all().aclose)


async def _prepare_database(pool: asyncpg.Pool, settings: ServiceSettings) -> None:
    async with pool.acquire() as connection:
        await check_partitions(connection, settings.partitions)
        await prepare_clock(connection, virtual=settings.clock == "virtual", start=settings.virtual_clock_start)
        await maintain_months(connection)


async def _wire(
    settings: ServiceSettings,
    definition: Definition[State, Config],
    telemetry: Telemetry,
    pool: asyncpg.Pool,
    opened: AsyncExitStack,
) -> Running:
    configurations = Configurations(definition.compile_documents)
    heads: Progress[int] = Progress(lambda: read_heads(pool))
    cursors: Progress[tuple[str, int]] = Progress(lambda: all_cursors(pool))
    measurements = BatchMeasurements(telemetry.registry)
    lanes = _open_lanes(settings, definition, configurations, heads.advance, measurements.record, opened)
    platform = Platform(
        settings=settings,
        pool=pool,
        lanes=lanes,
        configurations=configurations,
        clock=Clock(pool, virtual=settings.clock == "virtual"),
        at_least=AtLeast(definition.follows, cursors),
        page_tokens=PageTokens(settings.page_token_key.get_secret_value().encode()),
        telemetry=telemetry,
    )
    runner = JobRunner(definition.jobs(platform), pool, configurations, platform.clock)
    followers = _followers(settings, definition, platform, cursors, opened)
    telemetry.registry.register(ServiceGauges(lanes, followers, configurations, virtual_clock=platform.clock.virtual))
    trail = _open_trail(settings, opened)
    server = build_server(
        settings,
        telemetry,
        _services(definition, platform, heads, runner, _publishing_connection(settings, opened)),
        trail,
    )
    tasks = [
        *(asyncio.create_task(follower.run(), name=f"follow-{follower.source}") for follower in followers),
        asyncio.create_task(_maintain(pool, settings.audit_days), name="maintain"),
        asyncio.create_task(_release_readers(server.draining, heads, cursors), name="release-readers"),
    ]
    if not platform.clock.virtual:
        tasks.append(asyncio.create_task(runner.run_on_real_clock(), name="jobs"))
    if definition.background is not None:
        tasks.append(asyncio.create_task(definition.background(platform), name="background"))
    opened.push_async_callback(_cancel, tasks)
    return Running(server, platform=platform)


def _publishing_connection(settings: ServiceSettings, opened: AsyncExitStack) -> WriteConnection:
    connection = WriteConnection(
        settings.database_dsn.get_secret_value(),
        f"{settings.service}-publish",
        transaction_timeout_ms=PUBLISH_TIMEOUT_MS,
        warm=warm,
    )
    opened.push_async_callback(connection.close)
    return connection


def _open_trail(settings: ServiceSettings, opened: AsyncExitStack) -> Trail:
    connection = WriteConnection(settings.database_dsn.get_secret_value(), f"{settings.service}-audit")
    opened.push_async_callback(connection.close)
    trail = Trail(connection, _audit_key(settings))
    trail.start()
    opened.push_async_callback(trail.close)
    return trail


def _audit_key(settings: ServiceSettings) -> bytes:
    return bytes.fromhex(settings.audit_key.get_secret_value())


def _services(
    definition: Definition[Any, Config],
    platform: Platform[Config],
    heads: Progress[int],
    runner: JobRunner[Config],
    connection: WriteConnection,
) -> list[Service]:
    """What is served: the service's own contract, and those that every service has."""
    feed = EventFeedServicer(
        definition.name,
        platform.pool,
        heads,
        definition.follows.keys() & platform.settings.feeds.keys(),
        platform.at_least,
    )
    publisher = Publisher(
        definition.name,
        platform.pool,
        connection,
        platform.configurations,
        platform.settings.partitions,
        heads.advance,
        definition.fixed_fields,
    )
    config = ConfigServicer(platform.pool, publisher, platform.page_tokens)
    audit = AuditServicer(platform.pool, platform.long_reads, platform.page_tokens, _audit_key(platform.settings))
    return [
        (definition.contract, definition.servicer(platform)),
        *definition.further(platform),
        (event_feed_pb2.DESCRIPTOR.services_by_name["EventFeed"], feed),
        (config_service_pb2.DESCRIPTOR.services_by_name["ConfigService"], config),
        (audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"], audit),
        (clock_service_pb2.DESCRIPTOR.services_by_name["ClockService"], ClockServicer(platform.clock, runner)),
    ]


def _open_lanes(
    settings: ServiceSettings,
    definition: Definition[State, Config],
    configurations: Configurations[Config],
    on_commit: CommitListener,
    on_batch: BatchListener,
    opened: AsyncExitStack,
) -> Lanes:
    store = Store([table for table in definition.metadata.sorted_tables if _is_written_by_batches(table)])
    writers = []
    for number in range(settings.partitions + 1):
        connection = WriteConnection(
            settings.database_dsn.get_secret_value(), f"{definition.name}-lane-{number}", warm=warm
        )
        opened.push_async_callback(connection.close)
        writers.append(
            BatchWriter(
                connection,
                definition.operations,
                store,
                configurations,
                settings.partitions,
                f"{definition.name}.tessera",
                on_commit,
                on_batch,
            )
        )
    lanes = Lanes(writers[:-1], writers[-1], settings.lane_capacity_commands)
    opened.push_async_callback(lanes.close)
    return lanes


def _is_written_by_batches(table: sa.Table) -> bool:
    return "partition" in table.columns and table.name not in ("head", "journal")


def _followers(
    settings: ServiceSettings,
    definition: Definition[Any, Config],
    platform: Platform[Config],
    cursors: Progress[tuple[str, int]],
    opened: AsyncExitStack,
) -> list[Follower]:
    certificates = certificates_of(settings)
    followers = []
    for source, parse_event in definition.follows.items():
        if source not in settings.feeds:
            continue
        connection = Connection(
            settings.feeds[source],
            certificates,
            [("grpc.max_receive_message_length", settings.max_message_bytes)],
        )
        opened.push_async_callback(connection.close)
        followers.append(
            Follower(
                source,
                connection.channel,
                parse_event,
                platform.lanes,
                platform.pool,
                cursors,
                settings.partitions,
                settings.feed_token_file,
                platform.telemetry,
            )
        )
    return followers


async def _maintain(pool: asyncpg.Pool, audit_days: int | None) -> None:
    while True:
        await asyncio.sleep(MAINTENANCE_INTERVAL_S)
        try:
            async with pool.acquire() as connection:
                await maintain_months(connection)
            if audit_days is not None:
                await remove_old_links(pool, timedelta(days=audit_days))
        except Exception:
            _LOG.exception("tables of the months and of the audit trail were not maintained; tried again in an hour")


async def _release_readers(draining: asyncio.Event, *waits: Progress[Any]) -> None:
    """Let long polls go when the server drains, so that they do not use up its grace."""
    await draining.wait()
    for progress in waits:
        progress.close()


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
