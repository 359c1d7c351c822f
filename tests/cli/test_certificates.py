"""A suite certifies itself and its callers; nobody is heard without a certificate."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from tessera import Error, connect
from tessera.clock.v1.clock_service_pb2 import GetClockRequest
from tessera.suite import NoSuite, caller_of, credentials
from tessera.topology import SERVICES
from tessera.up import certificates
from tessera.up.certificates import name_of, prepare_certificates
from tessera.up.options import CannotStart, Layout
from tessera.up.secrets import OPERATOR, prepare_access
from tests.cli.command import SERVING, Up, started


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    prepare_access(made)
    return made


def read(layout: Layout, caller: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((layout.tls / f"{caller}.pem").read_bytes())


def test_each_caller_of_the_policy_is_certified_and_its_key_is_nobody_elses(layout: Layout) -> None:
    prepare_certificates(layout)
    for caller in (*SERVICES, OPERATOR, "fuel"):
        names = read(layout, caller).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [name_of(caller)]
        read(layout, caller).verify_directly_issued_by(read(layout, "ca"))
        assert stat.S_IMODE((layout.tls / f"{caller}.key").stat().st_mode) == 0o600


def test_what_is_good_is_kept_and_what_ends_soon_is_renewed(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_certificates(layout)
    before = {file.name: file.read_bytes() for file in layout.tls.iterdir()}
    prepare_certificates(layout)
    assert {file.name: file.read_bytes() for file in layout.tls.iterdir()} == before
    monkeypatch.setattr(certificates, "RENEW_BEFORE", certificates.LIFETIME + timedelta(days=1))
    prepare_certificates(layout)
    assert all((layout.tls / name).read_bytes() != content for name, content in before.items())
    assert read(layout, OPERATOR).not_valid_after_utc > datetime.now(UTC)


def test_a_lost_key_or_another_authority_makes_certificates_anew(layout: Layout) -> None:
    prepare_certificates(layout)
    fuel = read(layout, "fuel")
    (layout.tls / "fuel.key").unlink()
    prepare_certificates(layout)
    assert read(layout, "fuel") != fuel
    (layout.tls / "ca.key").unlink()
    prepare_certificates(layout)
    for caller in (*SERVICES, OPERATOR, "fuel"):
        read(layout, caller).verify_directly_issued_by(read(layout, "ca"))


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "points.pem", "points.key"])
def test_files_that_are_none_of_ours_are_named(layout: Layout, name: str) -> None:
    prepare_certificates(layout)
    (layout.tls / name).write_text("nonsense")
    with pytest.raises(CannotStart, match=f"{Path(name).stem}.pem and its key cannot be used"):
        prepare_certificates(layout)


def test_a_policy_that_does_not_know_the_certificates_is_said(layout: Layout) -> None:
    name = "spiffe://tessera.development/points"
    layout.policy.write_text(layout.policy.read_text().replace(name, "points.example"))
    with pytest.raises(CannotStart, match=name):
        prepare_certificates(layout)


async def test_nobody_is_heard_without_a_certificate_or_with_another_callers_token(up: Up) -> None:
    token = up.run("token", "operator").stdout.strip()
    addresses = up.suite["addresses"]
    async with connect(addresses, token=token, timeout_s=2) as client:
        with pytest.raises(Error, match="UNAVAILABLE"):
            await client.clock("points").GetClock(GetClockRequest())
    async with connect(addresses, token=token, tls=credentials(up.data / "tls", "fuel")) as client:
        with pytest.raises(Error, match="CERTIFICATE_MISMATCH"):
            await client.clock("points").GetClock(GetClockRequest())
    async with connect(suite_file=up.data, token=token) as client:
        assert (await client.clock("points").GetClock(GetClockRequest())).HasField("now")


def test_a_token_says_whose_certificate_goes_with_it(up: Up, tmp_path: Path) -> None:
    assert caller_of(up.run("token", "fuel").stdout.strip()) == "fuel"
    with pytest.raises(NoSuite, match="is none"):
        caller_of("nonsense")
    with pytest.raises(NoSuite, match="no certificate for the caller stranger"):
        credentials(up.data / "tls", "stranger")


@pytest.mark.slow
async def test_who_asks_for_it_starts_without_tls_and_is_told_so(tmp_path: Path) -> None:
    with started(tmp_path, "--insecure") as suite:
        suite.read_until(SERVING)
        suite.read_until("Without TLS")
        assert suite.suite["tls"] == ""
        token = suite.run("token", "operator").stdout.strip()
        with grpc.insecure_channel(suite.suite["addresses"]["points"]) as channel:
            call = channel.unary_unary("/tessera.clock.v1.ClockService/GetClock", None, None)
            assert call(b"", metadata=(("authorization", f"Bearer {token}"),)) is not None
        async with connect(suite_file=tmp_path) as client:
            await client.clock("points").GetClock(GetClockRequest())
