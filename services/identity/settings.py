"""What the identity service is told beyond what every service is: the keys of personal data."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from services.chassis.settings import ServiceSettings

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
