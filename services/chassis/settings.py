"""What a service is told by its environment: every mistake reported at once, before anything is opened."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ENV_PREFIX = "TESSERA_"
SETTINGS_EXIT_CODE = 2

MIN_KEY_BYTES = 32
"""HMAC-SHA256 gains nothing from a longer key and loses strength with a shorter one."""

MAX_PORT = 65_535
_AUDIT_KEY = re.compile("[0-9a-f]{64}")

Loaded = TypeVar("Loaded", bound="DatabaseSettings")


def addresses_from_json(addresses: object) -> object:
    """Addresses by service, as an environment variable has them."""
    if not isinstance(addresses, str):
        return addresses
    try:
        return json.loads(addresses or "{}")
    except ValueError as error:
        raise ValueError('must be a JSON object such as {"identity": "127.0.0.1:7401"}') from error


class SettingsError(Exception):
    """Every mistake in the environment, one readable line each."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class DatabaseSettings(BaseSettings):
    """What is needed to reach and shape the service's database; all that a migration needs."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    service: Annotated[str, Field(description="Name of the service; given by its code.")]
    database_dsn: Annotated[
        SecretStr, Field(description="postgresql://role:password@host:port/database of this service's own database.")
    ]
    partitions: Annotated[
        int, Field(ge=1, le=1024, description="Number of partitions, a power of two, the same for all services.")
    ] = 4
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("database_dsn")
    @classmethod
    def _dsn_names_postgresql(cls, dsn: SecretStr) -> SecretStr:
        if urlsplit(dsn.get_secret_value()).scheme not in ("postgresql", "postgres"):
            raise ValueError("must start with postgresql://")
        return dsn

    @field_validator("partitions")
    @classmethod
    def _power_of_two(cls, partitions: int) -> int:
        if partitions & (partitions - 1):
            raise ValueError("must be a power of two")
        return partitions


class ServiceSettings(DatabaseSettings):
    """Everything one service process is told. Units stand in the names; sizes are bytes, times are seconds."""

    production: Annotated[bool, Field(description="Refuses what only tests and rehearsals may use.")] = False
    clock: Annotated[
        Literal["real", "virtual"], Field(description="Where domain time comes from; never virtual in production.")
    ] = "real"
    virtual_clock_start: Annotated[
        AwareDatetime | None, Field(description="First instant of a virtual clock, with its UTC offset.")
    ] = None

    transport: Annotated[
        Literal["grpcio", "native"], Field(description="Which server speaks HTTP/2; native has no TLS of its own.")
    ] = "grpcio"
    listen: Annotated[str, Field(description="host:port or unix:path on which calls are served.")]
    workers: Annotated[int, Field(ge=1, le=256, description="Processes that share the listening port.")] = 1
    worker_index: Annotated[
        int | None, Field(ge=0, description="Set by the supervising process for each worker; never by an operator.")
    ] = None
    max_message_bytes: Annotated[int, Field(ge=1024, le=256 * 1024 * 1024)] = 16 * 1024 * 1024
    max_connection_age_s: Annotated[
        int | None, Field(ge=1, description="Age at which a client is asked to reconnect, so that connections spread.")
    ] = None

    metrics_listen: Annotated[
        str, Field(description="host:port of /metrics; worker i listens on port + i; empty switches it off.")
    ] = ""
    otlp_endpoint: Annotated[
        str | None, Field(description="http(s)://host:port of a trace collector; none switches tracing off.")
    ] = None

    audience: Annotated[str, Field(min_length=1, description="Audience that a caller's token must name.")] = "tessera"
    policy_file: Annotated[FilePath, Field(description="YAML file: caller -> permissions and domains.")]
    jwks_file: Annotated[FilePath, Field(description="Public keys that sign callers' tokens; re-read when it changes.")]
    tls_certificate_file: Annotated[
        FilePath | None,
        Field(description="This service's certificate in PEM, shown to callers and to the services it calls."),
    ] = None
    tls_key_file: Annotated[
        FilePath | None, Field(validate_default=True, description="Its private key in PEM, not encrypted.")
    ] = None
    tls_ca_file: Annotated[
        FilePath | None,
        Field(validate_default=True, description="Authorities in PEM that certify callers and the services it calls."),
    ] = None
    page_token_key: Annotated[SecretStr, Field(description="Secret that signs page tokens, 32 bytes or more.")]

    audit_key: Annotated[
        SecretStr,
        Field(
            description="Key of 64 hexadecimal digits under which the audit trail is chained, the same for ever; with "
            "none, whoever can write to the database could forge it."
        ),
    ] = SecretStr("")
    audit_days: Annotated[
        int | None, Field(ge=1, description="How long the audit trail is kept; none keeps it for ever.")
    ] = None

    feeds: Annotated[
        dict[str, str],
        NoDecode,
        Field(default_factory=dict, description='Feeds this service follows: {"identity": "host:port"}.'),
    ]
    feed_token_file: Annotated[
        FilePath | None,
        Field(validate_default=True, description="File with the token this service shows when it calls others."),
    ] = None

    drain_grace_s: Annotated[float, Field(ge=0, le=3600, description="How long calls in flight may still take.")] = 20.0
    default_deadline_s: Annotated[float, Field(gt=0, description="Deadline of a call that names none.")] = 10.0
    max_deadline_s: Annotated[
        float, Field(gt=0, validate_default=True, description="Longer deadlines are cut to this.")
    ] = 60.0
    stream_deadline_s: Annotated[
        float, Field(gt=0, description="Default and longest life of a server-streaming call.")
    ] = 3600.0
    lane_capacity_commands: Annotated[
        int, Field(ge=1, description="Commands one lane holds before it answers RESOURCE_EXHAUSTED.")
    ] = 4096

    @field_validator("clock")
    @classmethod
    def _production_keeps_real_time(cls, clock: str, info: ValidationInfo) -> str:
        if clock == "virtual" and info.data.get("production"):
            raise ValueError("a virtual clock is refused in production")
        return clock

    @field_validator("virtual_clock_start")
    @classmethod
    def _start_needs_virtual_clock(cls, start: object, info: ValidationInfo) -> object:
        if start is not None and info.data.get("clock") == "real":
            raise ValueError("has a meaning only with TESSERA_CLOCK=virtual")
        return start

    @field_validator("listen")
    @classmethod
    def _listens_on_known_address(cls, listen: str) -> str:
        if listen.startswith("unix:"):
            if listen == "unix:":
                raise ValueError("must name the socket's path after unix:")
            return listen
        split_host_port(listen)
        return listen

    @field_validator("workers")
    @classmethod
    def _workers_share_a_port(cls, workers: int, info: ValidationInfo) -> int:
        if workers > 1 and info.data.get("listen", "").startswith("unix:"):
            raise ValueError("must be 1 on a unix socket: only a TCP port can be shared")
        return workers

    @field_validator("max_connection_age_s")
    @classmethod
    def _transport_closes_connections(cls, age_s: int | None, info: ValidationInfo) -> int | None:
        if age_s is not None and info.data.get("transport") == "native":
            raise ValueError("is not supported by TESSERA_TRANSPORT=native")
        return age_s

    @field_validator("metrics_listen")
    @classmethod
    def _metrics_on_known_address(cls, listen: str) -> str:
        if listen:
            split_host_port(listen)
        return listen

    @field_validator("otlp_endpoint")
    @classmethod
    def _endpoint_is_url(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
            raise ValueError("must start with http:// or https://")
        return endpoint

    @field_validator("tls_certificate_file")
    @classmethod
    def _transport_has_tls(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("transport") == "native":
            raise ValueError("is not supported by TESSERA_TRANSPORT=native, which has no TLS of its own")
        return file

    @field_validator("tls_key_file", "tls_ca_file")
    @classmethod
    def _tls_is_whole(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if "tls_certificate_file" not in info.data:
            return file  # which is a mistake of its own
        if (file is None) != (info.data["tls_certificate_file"] is None):
            raise ValueError("goes together with TESSERA_TLS_CERTIFICATE_FILE: give all three files of TLS or none")
        return file

    @field_validator("page_token_key")
    @classmethod
    def _key_is_long_enough(cls, key: SecretStr) -> SecretStr:
        if len(key.get_secret_value().encode()) < MIN_KEY_BYTES:
            raise ValueError(f"must have at least {MIN_KEY_BYTES} bytes")
        return key

    @field_validator("audit_key")
    @classmethod
    def _audit_key_is_hexadecimal(cls, key: SecretStr) -> SecretStr:
        if key.get_secret_value() and not _AUDIT_KEY.fullmatch(key.get_secret_value()):
            raise ValueError("must be 64 hexadecimal digits")
        return key

    @field_validator("feeds", mode="before")
    @classmethod
    def _feeds_from_json(cls, feeds: object) -> object:
        return addresses_from_json(feeds)

    @field_validator("feed_token_file")
    @classmethod
    def _following_needs_a_token(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is None and info.data.get("feeds") and not info.data.get("tls_certificate_file"):
            raise ValueError("is required when TESSERA_FEEDS names a feed and no certificate says who follows it")
        return file

    @field_validator("max_deadline_s")
    @classmethod
    def _default_within_max(cls, max_s: float, info: ValidationInfo) -> float:
        if max_s < info.data.get("default_deadline_s", 0.0):
            raise ValueError("must not be shorter than TESSERA_DEFAULT_DEADLINE_S")
        return max_s


def split_host_port(address: str) -> tuple[str, int]:
    """`host:port` (IPv6 in brackets) → host and port; ValueError with a readable text otherwise."""
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdecimal():
        raise ValueError("must be host:port or unix:path")
    if not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"port must be between 1 and {MAX_PORT}")
    return host, int(port)


def read_settings(kind: type[Loaded], service: str) -> Loaded:
    """Settings of `service` from the process's environment; SettingsError names every mistake."""
    try:
        return kind(service=service)
    except ValidationError as error:
        raise SettingsError(tuple(_mistake(kind, detail) for detail in error.errors())) from None


def load_settings(kind: type[Loaded], service: str) -> Loaded:
    """As `read_settings`, for a process's start: prints all mistakes to stderr and exits with code 2."""
    try:
        return read_settings(kind, service)
    except SettingsError as error:
        print(f"{service}: {len(error.mistakes)} mistake(s) in its settings", file=sys.stderr)
        print("\n".join(f"  {mistake}" for mistake in error.mistakes), file=sys.stderr)
        sys.exit(SETTINGS_EXIT_CODE)


def _mistake(kind: type[DatabaseSettings], detail: ErrorDetails) -> str:
    name = str(detail["loc"][0])
    variable = f"{ENV_PREFIX}{name}".upper()
    if detail["type"] == "missing":
        return f"{variable}: is required ({kind.model_fields[name].description})"
    problem = detail["msg"].removeprefix("Value error, ")
    given = os.environ.get(variable)
    if given is None or kind.model_fields[name].annotation is SecretStr:
        return f"{variable}: {problem}"
    return f"{variable}: {problem} (given {given!r})"
