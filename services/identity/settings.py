"""What the identity service is told beyond what every service is: the keys of personal data."""

import json
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from services.chassis.settings import ServiceSettings, addresses_from_json
from services.identity.identifiers.keys import IndexKeys

KEY_BYTES = 32
"""Both are keys of 256 bits: AES-256 takes no other, BLAKE2s no longer one."""


MAX_VERSION = 255
"""A version of a key fits into a byte."""


class IdentitySettings(ServiceSettings):
    """Settings of one identity process. All processes of a database have the same keys."""

    blind_index_key: Annotated[
        SecretStr,
        Field(description="64 hexadecimal digits: the key by which external ids are found; it can never be changed."),
    ]
    data_key: Annotated[
        SecretStr, Field(description="64 hexadecimal digits: the key that wraps the members' own data keys.")
    ]

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

    @field_validator("identifier_keys", mode="before")
    @classmethod
    def _keys_from_json(cls, keys: object) -> object:
        return keys_from_json(keys)

    @field_validator("identifier_keys")
    @classmethod
    def _are_keys(cls, keys: dict[int, SecretStr]) -> dict[int, SecretStr]:
        if any(not 1 <= version <= MAX_VERSION for version in keys):
            raise ValueError(f"versions go from 1 to {MAX_VERSION}")
        return {version: cls._is_a_key(key) for version, key in keys.items()}

    @model_validator(mode="after")
    def _has_the_key_that_writes(self) -> Self:
        if self.identifier_key_version and self.identifier_key_version not in (self.identifier_keys or {1}):
            raise ValueError("IDENTIFIER_KEY_VERSION: there is no such version among IDENTIFIER_KEYS")
        return self

    @field_validator("blind_index_key", "data_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr) -> SecretStr:
        try:
            size = len(bytes.fromhex(key.get_secret_value()))
        except ValueError:
            size = 0
        if size != KEY_BYTES:
            raise ValueError(f"must be {2 * KEY_BYTES} hexadecimal digits, for example from: openssl rand -hex 32")
        return key


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
