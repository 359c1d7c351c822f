"""The keys that identity is given by its environment."""

import json
from pathlib import Path

import pytest

from services.chassis.settings import SettingsError, read_settings
from services.identity.settings import IdentitySettings, key_bytes


def mistakes(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(f"TESSERA_{name}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings(IdentitySettings, "identity")
    return "\n".join(mistake for mistake in caught.value.mistakes if "KEY" in mistake and "PAGE" not in mistake)


def test_the_key_of_blind_indexes_and_one_source_of_master_keys_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    text = mistakes(monkeypatch)
    assert "TESSERA_BLIND_INDEX_KEY: is required" in text
    assert "TESSERA_KEY_WRAPPER: exactly one of TESSERA_DATA_KEY" in text
    text = mistakes(monkeypatch, DATA_KEY="ab" * 32, MASTER_KEYS=json.dumps({"1": "cd" * 32}))
    assert "TESSERA_KEY_WRAPPER: exactly one of TESSERA_DATA_KEY" in text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no json", "must hold a JSON object"),
        ("{}", "versions go from 1 to 255"),
        ('{"0": "%s"}' % ("ab" * 32), "versions go from 1 to 255"),
        ('{"1": "ab"}', "must be 64 hexadecimal digits"),
    ],
)
def test_a_file_without_keys_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    assert f"TESSERA_MASTER_KEYS_FILE: {problem}" in mistakes(monkeypatch, MASTER_KEYS_FILE=str(file)).replace(
        "the file must", "must"
    )


def test_the_version_that_wraps_is_one_of_the_master_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"MASTER_KEYS": json.dumps({"1": "cd" * 32}), "MASTER_KEY_VERSION": "2"}
    assert "TESSERA_MASTER_KEY_VERSION: there is no such version" in mistakes(monkeypatch, **told)


def test_a_key_wrapper_is_something_that_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "TESSERA_KEY_WRAPPER: " in mistakes(monkeypatch, KEY_WRAPPER="no.such.module:wrapper")


@pytest.mark.parametrize("key", ["ab" * 31, "ab" * 33, "zz" * 32, "too short"])
def test_a_key_is_256_bits_in_hexadecimal_and_is_never_repeated(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    text = mistakes(monkeypatch, BLIND_INDEX_KEY=key, DATA_KEY="ab" * 32)
    assert "TESSERA_BLIND_INDEX_KEY: must be 64 hexadecimal digits" in text
    assert "TESSERA_DATA_KEY" not in text
    assert key not in text


def test_a_key_is_given_as_bytes() -> None:
    from pydantic import SecretStr

    assert key_bytes(SecretStr("0a" * 32)) == b"\n" * 32
