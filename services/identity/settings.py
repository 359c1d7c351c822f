"""What the identity service is told beyond what every service is: the keys of personal data."""

import json
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from services.chassis.settings import ServiceSettings, addresses_from_json

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
            description='Keys by which identifiers are found, by version: {"1": "64 hexadecimal digits"}; the newest '
            "writes, all find. None means that TESSERA_BLIND_INDEX_KEY is version 1.",
        ),
    ]
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


def keys_from_json(keys: object) -> object:
    """Keys by version, as an environment variable has them."""
    if not isinstance(keys, str):
        return keys
    try:
        return json.loads(keys or "{}")
    except ValueError:
        raise ValueError('must be a JSON object such as {"1": "<64 hexadecimal digits>"}') from None


def identifier_roots(settings: IdentitySettings) -> dict[int, bytes]:
    """The keys by which identifiers are found, by version."""
    given = {version: key_bytes(key) for version, key in settings.identifier_keys.items()}
    return given or {1: key_bytes(settings.blind_index_key)}
