"""What the identity service is told beyond what every service is: the keys of personal data."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    Field,
    FilePath,
    ImportString,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from services.chassis.settings import ServiceSettings, addresses_from_json
from services.identity.identifiers.keys import IndexKeys
from services.identity.keys.wrapping import HeldKeys, KeyWrapper

KEY_BYTES = 32
"""Both are keys of 256 bits: AES-256 takes no other, BLAKE2s no longer one."""

MAX_VERSION = 255
"""A version of a key fits into a byte."""

SOURCES = "TESSERA_DATA_KEY, TESSERA_MASTER_KEYS, TESSERA_MASTER_KEYS_FILE and TESSERA_KEY_WRAPPER"
_KEYS = TypeAdapter(dict[int, SecretStr])


class IdentitySettings(ServiceSettings):
    """Settings of one identity process. All processes of a database have the same keys."""

    blind_index_key: Annotated[
        SecretStr,
        Field(description="64 hexadecimal digits: the key by which external ids are found; it can never be changed."),
    ]
    data_key: Annotated[
        SecretStr | None,
        Field(
            description="64 hexadecimal digits: version 1 of the master keys, which wrap the members' own data keys."
        ),
    ] = None
    master_keys: Annotated[
        dict[int, SecretStr],
        NoDecode,
        Field(
            default_factory=dict,
            description='Master keys by version: {"1": "64 hexadecimal digits"}; one wraps, all unwrap. '
            "In place of TESSERA_DATA_KEY.",
        ),
    ]
    master_keys_file: Annotated[
        FilePath | None, Field(description="A file with the same, in place of both; read when the process starts.")
    ] = None
    master_key_version: Annotated[
        int,
        Field(ge=0, le=MAX_VERSION, description="The version that wraps; 0 means the lowest that there is."),
    ] = 0
    key_wrapper: Annotated[
        ImportString[Callable[[], KeyWrapper]] | None,
        Field(
            validate_default=True,
            description="module:function that makes the KeyWrapper of a key service, in place of all of these.",
        ),
    ] = None

    identifier_keys: Annotated[
        dict[int, SecretStr],
        NoDecode,
        Field(
            default_factory=dict,
            description='Keys by which identifiers are found, by version: {"1": "64 hexadecimal digits"}; one '
            "writes, all find. None means that TESSERA_BLIND_INDEX_KEY is version 1.",
        ),
    ]
    identifier_key_version: Annotated[
        int, Field(ge=0, le=MAX_VERSION, description="The version that writes; 0 means the lowest that there is.")
    ] = 0
    neighbours: Annotated[
        dict[str, str],
        NoDecode,
        Field(
            default_factory=dict,
            description='Services asked before members are merged, unmerged or erased: {"points": "host:port"}.',
        ),
    ]

    @field_validator("neighbours", mode="before")
    @classmethod
    def _neighbours_from_json(cls, neighbours: object) -> object:
        return addresses_from_json(neighbours)

    @field_validator("identifier_keys", "master_keys", mode="before")
    @classmethod
    def _keys_from_json(cls, keys: object) -> object:
        return keys_from_json(keys)

    @field_validator("identifier_keys", "master_keys")
    @classmethod
    def _are_keys(cls, keys: dict[int, SecretStr]) -> dict[int, SecretStr]:
        if keys:
            check_versions_of(keys)
        return keys

    @model_validator(mode="after")
    def _has_the_key_that_writes(self) -> Self:
        if self.identifier_key_version and self.identifier_key_version not in (self.identifier_keys or {1}):
            raise ValueError("IDENTIFIER_KEY_VERSION: there is no such version among IDENTIFIER_KEYS")
        return self

    @field_validator("master_keys_file")
    @classmethod
    def _file_has_keys(cls, file: Path | None) -> Path | None:
        if file is not None:
            keys_of_file(file)
        return file

    @field_validator("master_key_version")
    @classmethod
    def _is_a_master_key(cls, version: int, info: ValidationInfo) -> int:
        file, keys = info.data.get("master_keys_file"), info.data.get("master_keys")
        known = keys_of_file(file) if file else keys or {1: None}
        if version and version not in known:
            raise ValueError("there is no such version among the master keys")
        return version

    @field_validator("key_wrapper")
    @classmethod
    def _has_one_source(
        cls, wrapper: Callable[[], KeyWrapper] | None, info: ValidationInfo
    ) -> Callable[[], KeyWrapper] | None:
        sources = ("data_key", "master_keys", "master_keys_file")
        if all(name in info.data for name in sources):  # what is missing is a mistake of its own
            given = [source for source in (*(info.data[name] for name in sources), wrapper) if source]
            if len(given) != 1:
                raise ValueError(f"exactly one of {SOURCES} is required")
        return wrapper

    @field_validator("blind_index_key", "data_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            check_key(key)
        return key


def check_key(key: SecretStr) -> None:
    """Raises ValueError for what is no key."""
    try:
        size = len(bytes.fromhex(key.get_secret_value()))
    except ValueError:
        size = 0
    if size != KEY_BYTES:
        raise ValueError(f"must be {2 * KEY_BYTES} hexadecimal digits, for example from: openssl rand -hex 32")


def key_wrapper(settings: IdentitySettings) -> KeyWrapper:
    """What wraps the members' data keys."""
    if settings.key_wrapper is not None:
        return settings.key_wrapper()
    keys = settings.master_keys
    if settings.data_key is not None:
        keys = {1: settings.data_key}
    elif settings.master_keys_file is not None:
        keys = keys_of_file(settings.master_keys_file)
    roots = {version: key_bytes(key) for version, key in keys.items()}
    return HeldKeys(roots, settings.master_key_version or min(roots))


def keys_of_file(file: Path) -> dict[int, SecretStr]:
    """The keys in a file, by version. Raises ValueError when there are none."""
    try:
        keys = _KEYS.validate_json(file.read_bytes())
    except ValidationError:
        raise ValueError('the file must hold a JSON object such as {"1": "<64 hexadecimal digits>"}') from None
    check_versions_of(keys)
    return keys


def check_versions_of(keys: dict[int, SecretStr]) -> None:
    """Raises ValueError when versions or keys are none."""
    if not keys or any(not 1 <= version <= MAX_VERSION for version in keys):
        raise ValueError(f"versions go from 1 to {MAX_VERSION}")
    for key in keys.values():
        check_key(key)


def key_bytes(key: SecretStr) -> bytes:
    """The bytes of a key of the settings."""
    return bytes.fromhex(key.get_secret_value())


def index_keys(settings: IdentitySettings) -> IndexKeys:
    """The keys by which identifiers are found."""
    roots = {version: key_bytes(key) for version, key in settings.identifier_keys.items()}
    roots = roots or {1: key_bytes(settings.blind_index_key)}
    return IndexKeys(roots, settings.identifier_key_version or min(roots))


def keys_from_json(keys: object) -> object:
    """Keys by version, as an environment variable has them."""
    if not isinstance(keys, str):
        return keys
    try:
        return json.loads(keys or "{}")
    except ValueError:
        raise ValueError('must be a JSON object such as {"1": "<64 hexadecimal digits>"}') from None
