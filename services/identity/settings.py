"""What the identity service is told beyond what every service is: the keys of personal data."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from services.chassis.settings import ServiceSettings, addresses_from_json

KEY_BYTES = 32
"""Both are keys of 256 bits: AES-256 takes no other, BLAKE2s no longer one."""


class IdentitySettings(ServiceSettings):
    """Settings of one identity process. All processes of a database have the same keys."""

    blind_index_key: Annotated[
        SecretStr,
        Field(description="64 hexadecimal digits: the key by which external ids are found; it can never be changed."),
    ]
    data_key: Annotated[
        SecretStr, Field(description="64 hexadecimal digits: the key that wraps the members' own data keys.")
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
