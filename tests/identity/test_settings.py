"""The keys that identity is given by its environment."""

import pytest

from services.chassis.settings import SettingsError, read_settings
from services.identity.settings import IdentitySettings, key_bytes


def mistakes(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(f"TESSERA_{name}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings(IdentitySettings, "identity")
    return "\n".join(mistake for mistake in caught.value.mistakes if "_KEY" in mistake and "PAGE" not in mistake)


def test_both_keys_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    text = mistakes(monkeypatch)
    assert "TESSERA_BLIND_INDEX_KEY: is required" in text
    assert "TESSERA_DATA_KEY: is required" in text


@pytest.mark.parametrize("key", ["ab" * 31, "ab" * 33, "zz" * 32, "too short"])
def test_a_key_is_256_bits_in_hexadecimal_and_is_never_repeated(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    text = mistakes(monkeypatch, BLIND_INDEX_KEY=key, DATA_KEY="ab" * 32)
    assert "TESSERA_BLIND_INDEX_KEY: must be 64 hexadecimal digits" in text
    assert "TESSERA_DATA_KEY" not in text
    assert key not in text


def test_a_key_is_given_as_bytes() -> None:
    from pydantic import SecretStr

    assert key_bytes(SecretStr("0a" * 32)) == b"\n" * 32
