"""The lanes of a process on a ledger's database, and what is needed to hand them commands."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from services.chassis import ids
from services.chassis.batches import BatchWriter, warm
from services.chassis.configurations import Configurations
from services.chassis.database import WriteConnection
from services.chassis.idempotency import Request, identify_body
from services.chassis.lanes import Lanes
from services.chassis.store import Store
from tests.chassis.ledger import METADATA, LedgerConfig, LedgerState, compile_documents, operations
from tests.chassis.patience import until

PARTITIONS = 8
STORE = Store([METADATA.tables[name] for name in ("accounts", "entries", "cursors", "requests")])


@dataclass(slots=True)
class Batches:
    """What lanes told of their batches."""

    sizes: list[int] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)

    def committed(self, partition: int, position: int) -> None:
        self.positions[partition] = position

    def measured(self, commands: int, duration_s: float) -> None:
        assert duration_s > 0
        self.sizes.append(commands)


def batch_writer(
    connection: WriteConnection,
    configurations: Configurations[LedgerConfig],
    partitions: int = PARTITIONS,
    batches: Batches | None = None,
) -> BatchWriter[LedgerState, LedgerConfig]:
    """Writes batches of any partitions on a connection."""
    batches = batches or Batches()
    return BatchWriter(
        connection,
        operations(partitions),
        STORE,
        configurations,
        partitions,
        "ledger.tessera",
        batches.committed,
        batches.measured,
    )


@asynccontextmanager
async def open_lanes(
    dsn: str, *, partitions: int = PARTITIONS, capacity: int = 4096, batches: Batches | None = None
) -> AsyncIterator[Lanes]:
    """The lanes of one process on a ledger database."""
    configurations = Configurations(compile_documents)
    async with AsyncExitStack() as opened:
        connections = [WriteConnection(dsn, f"lane-{number}", warm=warm) for number in range(partitions + 1)]
        for connection in connections:
            opened.push_async_callback(connection.close)
        writers = [batch_writer(connection, configurations, partitions, batches) for connection in connections]
        lanes = Lanes(writers[:-1], writers[-1], capacity)
        opened.push_async_callback(lanes.close)
        yield lanes


async def until_waiting(lanes: Lanes, commands: int, lane: str = "0") -> None:
    """Until so many commands wait in a lane, beside those that it is writing."""
    await until(lambda: dict(lanes.depths())[lane] == commands)


def account(partition: int = 0) -> UUID:
    """A new account of a partition."""
    return ids.new_id(partition)


def request(name: str, body: str = "body", caller: str = "shop", method: str = "Move") -> Request:
    """A request as idempotency knows it."""
    return identify_body(caller, method, name, body.encode())
