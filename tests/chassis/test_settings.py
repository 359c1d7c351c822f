"""What an operator is told about the environment of a service."""

from pathlib import Path

import pytest

from services.chassis.settings import DatabaseSettings, ServiceSettings, SettingsError, load_settings, read_settings

DSN = "postgresql://points:hunter2@localhost/points"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The least that a service needs."""
    for name in ("policy.yaml", "jwks.json", "token"):
        (tmp_path / name).touch()
    monkeypatch.setenv("TESSERA_DATABASE_DSN", DSN)
    monkeypatch.setenv("TESSERA_LISTEN", "127.0.0.1:7402")
    monkeypatch.setenv("TESSERA_POLICY_FILE", str(tmp_path / "policy.yaml"))
    monkeypatch.setenv("TESSERA_JWKS_FILE", str(tmp_path / "jwks.json"))
    monkeypatch.setenv("TESSERA_PAGE_TOKEN_KEY", "k" * 32)
    return monkeypatch


def mistakes() -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        read_settings(ServiceSettings, "points")
    return raised.value.mistakes


def test_the_least_environment_is_enough(environment: pytest.MonkeyPatch) -> None:
    settings = read_settings(ServiceSettings, "points")
    assert (settings.service, settings.partitions, settings.clock, settings.transport) == (
        "points",
        4,
        "real",
        "grpcio",
    )
    assert settings.database_dsn.get_secret_value() == DSN
    assert settings.feeds == {}


def test_the_code_names_the_service_whatever_the_environment_says(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TESSERA_SERVICE", "tiers")
    assert read_settings(ServiceSettings, "points").service == "points"


def test_an_empty_variable_is_an_absent_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TESSERA_OTLP_ENDPOINT", "")
    assert read_settings(ServiceSettings, "points").otlp_endpoint is None


def test_all_mistakes_are_reported_together(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("TESSERA_LISTEN")
    environment.setenv("TESSERA_PARTITIONS", "12")
    environment.setenv("TESSERA_CLOCK", "virtual")
    environment.setenv("TESSERA_PRODUCTION", "true")
    environment.setenv("TESSERA_FEEDS", "identity=:7401")
    environment.setenv("TESSERA_POLICY_FILE", "/nowhere/policy.yaml")
    assert mistakes() == (
        "TESSERA_PARTITIONS: must be a power of two (given '12')",
        "TESSERA_CLOCK: a virtual clock is refused in production (given 'virtual')",
        "TESSERA_LISTEN: is required (host:port or unix:path on which calls are served.)",
        "TESSERA_POLICY_FILE: Path does not point to a file (given '/nowhere/policy.yaml')",
        """TESSERA_FEEDS: must be a JSON object such as {"identity": "127.0.0.1:7401"} (given 'identity=:7401')""",
    )


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("PARTITIONS", "0", "greater than or equal to 1"),
        ("PARTITIONS", "2048", "less than or equal to 1024"),
        ("LISTEN", "7402", "must be host:port or unix:path"),
        ("LISTEN", "127.0.0.1:0", "port must be between 1 and 65535"),
        ("LISTEN", "unix:", "must name the socket's path"),
        ("METRICS_LISTEN", "metrics", "must be host:port"),
        ("OTLP_ENDPOINT", "collector:4317", "must start with http:// or https://"),
        ("VIRTUAL_CLOCK_START", "2017-01-01T00:00:00Z", "only with TESSERA_CLOCK=virtual"),
        ("TRANSPORT", "http", "'grpcio' or 'native'"),
        ("WORKERS", "0", "greater than or equal to 1"),
        ("MAX_DEADLINE_S", "5", "must not be shorter than TESSERA_DEFAULT_DEADLINE_S"),
        ("DEFAULT_DEADLINE_S", "90", "must not be shorter than TESSERA_DEFAULT_DEADLINE_S"),
        ("FEEDS", '{"identity": "127.0.0.1:7401"}', "is required when TESSERA_FEEDS names a feed"),
        ("FEEDS", '["identity"]', "valid dictionary"),
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_value_that_cannot_work_is_refused(
    environment: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    environment.setenv(f"TESSERA_{variable}", value)
    (mistake,) = mistakes()
    assert problem in mistake


def test_an_instant_needs_its_offset(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TESSERA_CLOCK", "virtual")
    environment.setenv("TESSERA_VIRTUAL_CLOCK_START", "2017-01-01T00:00:00")
    (mistake,) = mistakes()
    assert "timezone" in mistake


def test_settings_that_exclude_each_other_are_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TESSERA_TRANSPORT", "native")
    environment.setenv("TESSERA_MAX_CONNECTION_AGE_S", "60")
    environment.setenv("TESSERA_LISTEN", "unix:/tmp/points.sock")
    environment.setenv("TESSERA_WORKERS", "2")
    assert [mistake.split(":")[0] for mistake in mistakes()] == ["TESSERA_WORKERS", "TESSERA_MAX_CONNECTION_AGE_S"]


def test_mutual_tls_needs_all_its_files(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("TESSERA_TLS_CERTIFICATE_FILE", str(tmp_path / "token"))
    assert [mistake.split(":")[0] for mistake in mistakes()] == ["TESSERA_TLS_KEY_FILE", "TESSERA_TLS_CA_FILE"]
    environment.delenv("TESSERA_TLS_CERTIFICATE_FILE")
    environment.setenv("TESSERA_TLS_CA_FILE", str(tmp_path / "token"))
    assert [mistake.split(":")[0] for mistake in mistakes()] == ["TESSERA_TLS_CA_FILE"]


def test_files_of_mutual_tls_that_are_missing_are_reported_together(environment: pytest.MonkeyPatch) -> None:
    for name in ("CERTIFICATE", "KEY", "CA"):
        environment.setenv(f"TESSERA_TLS_{name}_FILE", "/nowhere")
    assert [mistake.split(":")[0] for mistake in mistakes()] == [
        "TESSERA_TLS_CERTIFICATE_FILE",
        "TESSERA_TLS_KEY_FILE",
        "TESSERA_TLS_CA_FILE",
    ]


def test_the_native_transport_has_no_tls(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CERTIFICATE", "KEY", "CA"):
        environment.setenv(f"TESSERA_TLS_{name}_FILE", str(tmp_path / "token"))
    environment.setenv("TESSERA_TRANSPORT", "native")
    (mistake,) = mistakes()
    assert mistake.startswith("TESSERA_TLS_CERTIFICATE_FILE: is not supported by TESSERA_TRANSPORT=native")


def test_who_follows_needs_no_token_beside_a_certificate(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CERTIFICATE", "KEY", "CA"):
        environment.setenv(f"TESSERA_TLS_{name}_FILE", str(tmp_path / "token"))
    environment.setenv("TESSERA_FEEDS", '{"identity": "127.0.0.1:7401"}')
    assert read_settings(ServiceSettings, "points").feed_token_file is None


def test_a_secret_is_not_repeated(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TESSERA_DATABASE_DSN", "mysql://points:hunter2@localhost/points")
    environment.setenv("TESSERA_PAGE_TOKEN_KEY", "hunter2")
    assert mistakes() == (
        "TESSERA_DATABASE_DSN: must start with postgresql://",
        "TESSERA_PAGE_TOKEN_KEY: must have at least 32 bytes",
    )


def test_settings_do_not_show_their_secrets(environment: pytest.MonkeyPatch) -> None:
    assert "hunter2" not in repr(read_settings(ServiceSettings, "points"))


def test_a_service_with_mistakes_exits_with_code_2_and_says_why(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("TESSERA_LISTEN")
    environment.delenv("TESSERA_JWKS_FILE")
    with pytest.raises(SystemExit) as raised:
        load_settings(ServiceSettings, "points")
    assert raised.value.code == 2
    heading, *lines = capsys.readouterr().err.splitlines()
    assert heading == "points: 2 mistake(s) in its settings"
    assert [line.split(":")[0].strip() for line in lines] == ["TESSERA_LISTEN", "TESSERA_JWKS_FILE"]


def test_a_migration_needs_the_database_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_DATABASE_DSN", DSN)
    assert read_settings(DatabaseSettings, "points").partitions == 4
