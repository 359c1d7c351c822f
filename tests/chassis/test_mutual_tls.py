"""Mutual TLS: who gets in, whose certificate names whom, and what happens when certificates are rotated."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis.certificates import CertificateError, Certificates, Connection
from tests.chassis.echo import SERVICE, Heard, Say
from tests.chassis.edge import Edge, open_channel, refusal, serving
from tests.chassis.house import connection_to, ledger_suite
from tests.chassis.ledger import Move
from tests.chassis.ledger_lanes import account
from tests.chassis.test_server import free_address
from tests.support.certificates import HOST_NAMES, Authority, Files

SHOP = x509.DNSName("shop.example")
READER = x509.DNSName("reader.example")


def uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def certified(authority: Authority, client: Files | None, **options: Any) -> AsyncIterator[Edge]:
    """An echo service with a certificate, and a channel that shows the client's, if it has one."""
    believed = authority.file.read_bytes()
    shown = client.channel_credentials() if client else grpc.ssl_channel_credentials(believed)
    files = authority.certify("server", *HOST_NAMES)
    async with serving(listen=free_address(), tls=shown, **files.settings(), **options) as edge:
        yield edge


async def said(edge: Edge, **options: Any) -> str:
    return str((await edge.say(Say(text="a"), **options)).text)


@pytest.mark.parametrize("name", [SHOP, uri("spiffe://example/shop")])
async def test_a_certificate_alone_names_the_caller(authority: Authority, name: x509.GeneralName) -> None:
    async with certified(authority, authority.certify("client", name)) as edge:
        assert await said(edge, metadata=()) == "shop: a"


async def test_two_names_of_one_caller_are_one_caller(authority: Authority) -> None:
    async with certified(authority, authority.certify("client", SHOP, uri("spiffe://example/shop"))) as edge:
        assert await said(edge, metadata=()) == "shop: a"


@pytest.mark.parametrize(
    "names",
    [(), (x509.DNSName("stranger.example"),), (uri("spiffe://elsewhere/shop"),), (SHOP, READER)],
    ids=["none", "unknown", "another trust domain", "of two callers"],
)
async def test_a_certificate_that_is_not_one_callers_names_nobody(
    authority: Authority, names: tuple[x509.GeneralName, ...]
) -> None:
    async with certified(authority, authority.certify("shop", *names)) as edge:
        for metadata in ((), edge.issuer.bearer("shop")):
            refused = await refusal(edge.say(Say(text="a"), metadata=metadata))
            assert (refused.code, refused.reason) == (StatusCode.UNAUTHENTICATED, "CERTIFICATE_UNKNOWN")


async def test_a_token_beside_the_certificate_is_of_the_same_caller(authority: Authority) -> None:
    async with certified(authority, authority.certify("client", SHOP)) as edge:
        assert await said(edge, metadata=edge.issuer.bearer("shop")) == "shop: a"
        refused = await refusal(edge.say(Say(text="a"), metadata=edge.issuer.bearer("reader")))
        assert (refused.code, refused.reason) == (StatusCode.UNAUTHENTICATED, "CERTIFICATE_MISMATCH")


async def test_a_bad_token_is_not_made_good_by_the_certificate(authority: Authority) -> None:
    async with certified(authority, authority.certify("client", SHOP)) as edge:
        expired = await refusal(edge.say(Say(text="a"), metadata=edge.issuer.bearer("shop", lifetime_s=-1)))
        assert expired.reason == "TOKEN_EXPIRED"
        elsewhere = await refusal(edge.say(Say(text="a"), metadata=edge.issuer.bearer("shop", aud="other")))
        assert elsewhere.reason == "TOKEN_INVALID"


async def test_a_certificate_gives_no_permission_that_the_policy_does_not(authority: Authority) -> None:
    async with certified(authority, authority.certify("client", READER)) as edge:
        refused = await refusal(edge.say(Say(text="a"), metadata=()))
        assert (refused.code, refused.reason) == (StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


async def test_who_shows_no_certificate_reaches_nothing_with_or_without_token(authority: Authority) -> None:
    async with certified(authority, None) as edge:
        assert (await refusal(edge.say(Say(text="a")))).code is StatusCode.UNAVAILABLE
        with pytest.raises(aio.AioRpcError) as raised:
            await health_pb2_grpc.HealthStub(edge.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert raised.value.code() is StatusCode.UNAVAILABLE


async def test_a_client_without_tls_reaches_nothing(authority: Authority) -> None:
    async with certified(authority, None) as edge, open_channel(edge.server.address) as plain:
        call = plain.unary_unary(f"/{SERVICE}/Say", Say.SerializeToString, Heard.FromString)
        assert (await refusal(call(Say(text="a"), timeout=5))).code is StatusCode.UNAVAILABLE


async def test_a_certificate_of_another_authority_or_one_that_expired_opens_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    forged = Authority(tmp_path, "forger").certify("forged", SHOP)
    shutil.copy(authority.file, forged.authority)  # the forger believes the server all the same
    expired = authority.certify("expired", SHOP, lifetime=timedelta(seconds=-1))
    for client in (forged, expired):
        async with certified(authority, client) as edge:
            assert (await refusal(edge.say(Say(text="a")))).code is StatusCode.UNAVAILABLE


async def test_health_is_told_to_whoever_has_a_certificate(authority: Authority) -> None:
    async with certified(authority, authority.certify("probe")) as edge:
        answer = await health_pb2_grpc.HealthStub(edge.channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_rotated_authority_is_believed_and_the_former_is_not(authority: Authority, tmp_path: Path) -> None:
    former = authority.certify("former", SHOP)
    async with certified(authority, former) as edge:
        assert await said(edge, metadata=()) == "shop: a"
        successor = Authority(tmp_path, "successor")
        rotated = successor.certify("server", *HOST_NAMES)  # over the files of the server's certificate and key
        shutil.copy(rotated.authority, authority.file)
        newcomer = successor.certify("newcomer", SHOP)
        async with open_channel(edge.server.address, newcomer.channel_credentials()) as channel:
            say = channel.unary_unary(f"/{SERVICE}/Say", Say.SerializeToString, Heard.FromString)
            assert (await say(Say(text="b"), timeout=5)).text == "shop: b"
        late = Files(former.certificate, former.key, successor.file)
        async with open_channel(edge.server.address, late.channel_credentials()) as channel:
            say = channel.unary_unary(f"/{SERVICE}/Say", Say.SerializeToString, Heard.FromString)
            assert (await refusal(say(Say(text="b"), timeout=5))).code is StatusCode.UNAVAILABLE


async def test_a_connection_to_another_service_shows_the_rotated_certificate(authority: Authority) -> None:
    own = authority.certify("own", SHOP)
    async with certified(authority, own) as edge:
        connection = Connection(edge.server.address, Certificates(own.certificate, own.key, own.authority), [])
        try:
            first = await connection.channel()
            assert await connection.channel() is first
            await refused_or_heard(first, "shop: a")
            authority.certify("own", READER)
            second = await connection.channel()
            assert second is not first
            await refused_or_heard(second, "PERMISSION_MISSING")
        finally:
            await connection.close()


async def refused_or_heard(channel: aio.Channel, expected: str) -> None:
    say = channel.unary_unary(f"/{SERVICE}/Say", Say.SerializeToString, Heard.FromString)
    call = say(Say(text="a"), timeout=5)
    found = (await refusal(call)).reason if expected.isupper() else (await call).text
    assert found == expected


def test_a_rotation_that_is_half_done_changes_nothing_yet(authority: Authority) -> None:
    files = authority.certify("own", SHOP)
    certificates = Certificates(files.certificate, files.key, files.authority)
    before = certificates.read()
    new = authority.certify("new", SHOP)
    shutil.copy(new.certificate, files.certificate)
    assert certificates.read() == before
    files.key.unlink()
    assert certificates.read() == before
    shutil.copy(new.key, files.key)
    assert certificates.read().key == new.key.read_bytes()


@pytest.mark.parametrize("broken", ["certificate", "key", "authority"])
def test_files_that_cannot_be_used_are_named(authority: Authority, broken: str) -> None:
    files = authority.certify("own", SHOP)
    getattr(files, broken).write_text("nonsense")
    with pytest.raises(CertificateError, match=getattr(files, broken).name):
        Certificates(files.certificate, files.key, files.authority)


async def test_a_follower_shows_the_certificate_of_its_service(authority: Authority) -> None:
    own = authority.certify("service", *HOST_NAMES, x509.DNSName("feeds.example"))
    operator = authority.certify("operator", x509.DNSName("operator.example")).channel_credentials()
    options = {**own.settings(), "transport": "grpcio", "feed_token_file": None}
    async with ledger_suite("ledger", "mirror", **options) as suite:
        suite.credentials = operator
        await suite.lanes("ledger").submit([Move(account(0), 5)])
        await suite.drain()
        async with connection_to(suite.dsns["mirror"]) as connection:
            assert await connection.fetchval("SELECT sum(balance) FROM accounts") == 5
