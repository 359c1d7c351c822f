"""The client of services that demand a certificate."""

from pathlib import Path

import pytest
from cryptography import x509

import tessera
from tessera.events.v1.event_feed_pb2 import GetPositionsRequest
from tests.support import access
from tests.support.certificates import HOST_NAMES, Authority
from tests.support.suite import start_suite


async def test_a_client_shows_the_certificate_that_it_was_given(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.certify("identity", *HOST_NAMES)
    shown = authority.certify("operator", x509.DNSName("operator.example")).channel_credentials()
    other = authority.certify("nobody", x509.DNSName("nobody.example")).channel_credentials()
    async with start_suite("identity", **own.settings(), transport="grpcio") as suite:
        async with tessera.connect(suite.addresses, token=access.token(), tls=shown) as client:
            assert (await client.feed("identity").GetPositions(GetPositionsRequest())).service == "identity"
        async with tessera.connect(suite.addresses, token=access.token(), tls=other) as client:
            with pytest.raises(tessera.Error) as raised:
                await client.feed("identity").GetPositions(GetPositionsRequest())
            assert raised.value.reason == "CERTIFICATE_MISMATCH"
