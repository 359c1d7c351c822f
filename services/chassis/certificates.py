"""Mutual TLS: this service's certificate and the authorities it believes, both picked up anew when rotated."""

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from services.chassis.settings import ServiceSettings

_LOG = logging.getLogger(__name__)


class CertificateError(Exception):
    """Files that are no certificate, not its key, or no authorities."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the files held when they were read, in PEM."""

    certificate: bytes
    key: bytes
    authorities: bytes

    def for_clients(self) -> grpc.ChannelCredentials:
        """What is shown to the servers that this service calls, and believed of them."""
        return grpc.ssl_channel_credentials(self.authorities, self.key, self.certificate)


class Certificates:
    """The files of one service. `read` gives what they held when they last fitted together."""

    def __init__(self, certificate: Path, key: Path, authorities: Path) -> None:
        """Raises CertificateError when the files cannot be used."""
        self._files = (certificate, key, authorities)
        self._stamps = self._stamp()
        self._material = self._load()

    def read(self) -> Material:
        """Reads the files again when one of them changed. Those of a rotation that is half done are left alone.

        Called from threads of gRPC, too, at each handshake: at worst two of them read the same files.
        """
        try:
            stamps = self._stamp()
            if stamps != self._stamps:
                self._material, self._stamps = self._load(), stamps
        except CertificateError as error:
            _LOG.error("the certificate stays as it was: %s", error)
        return self._material

    def for_server(self) -> grpc.ServerCredentials:
        """Credentials that ask every client for a certificate, and look at the files at each handshake."""
        served = self.read()

        def if_changed() -> grpc.ServerCertificateConfiguration | None:
            """gRPC replaces what it has by each configuration that it is given, while other handshakes may use it: that
            has ended a process. So it is given none while the files are the same."""
            nonlocal served
            material = self.read()
            if material is served:
                return None
            served = material
            return _configuration(material)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(served),
            if_changed,  # type: ignore[arg-type]  # by its documentation it may be None
            require_client_authentication=True,
        )

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        try:
            stats = [file.stat() for file in self._files]
        except OSError as error:
            raise CertificateError(f"{error.filename}: {error.strerror}") from None
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

    def _load(self) -> Material:
        certificate, key, authorities = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as error:
            raise CertificateError(f"{certificate} and {key} are not a certificate and its key: {error}") from None
        try:
            context.load_verify_locations(authorities)
        except (OSError, ValueError) as error:
            raise CertificateError(f"{authorities} holds no authorities: {error}") from None
        return Material(certificate.read_bytes(), key.read_bytes(), authorities.read_bytes())


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.certificate)], material.authorities)


def certificates_of(settings: ServiceSettings) -> Certificates | None:
    """The certificates that the settings name; None when the service neither shows one nor asks for one."""
    if settings.tls_certificate_file is None or settings.tls_key_file is None or settings.tls_ca_file is None:
        return None
    return Certificates(settings.tls_certificate_file, settings.tls_key_file, settings.tls_ca_file)


class Connection:
    """A channel to another service, opened anew after this service's certificate was rotated."""

    def __init__(self, address: str, certificates: Certificates | None, options: Sequence[tuple[str, Any]]) -> None:
        self._address = address
        self._certificates = certificates
        self._options = options
        self._material: Material | None = None
        self._channel: aio.Channel | None = None

    async def channel(self) -> aio.Channel:
        """The channel to call on now; calls that are still on a former one end."""
        material = self._certificates.read() if self._certificates is not None else None
        if self._channel is None or material != self._material:
            await self.close()
            self._material = material
            self._channel = self._open(material)
        return self._channel

    async def close(self) -> None:
        """Ends the calls on it."""
        if self._channel is not None:
            await self._channel.close()

    def _open(self, material: Material | None) -> aio.Channel:
        if material is None:
            return aio.insecure_channel(self._address, options=self._options)
        return aio.secure_channel(self._address, material.for_clients(), options=self._options)
