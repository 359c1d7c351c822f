"""A certificate authority of tests, and the files of those it certifies."""

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(hours=1)
HOST_NAMES = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
"""What makes a certificate fit for a server of tests."""


@dataclass(frozen=True, slots=True)
class Files:
    """PEM files of one certificate, its key and the authority that its bearer believes."""

    certificate: Path
    key: Path
    authority: Path

    def settings(self) -> dict[str, Path]:
        """What a service is told to use them."""
        return {
            "tls_certificate_file": self.certificate,
            "tls_key_file": self.key,
            "tls_ca_file": self.authority,
        }

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """What a client shows and believes."""
        return grpc.ssl_channel_credentials(
            self.authority.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes()
        )


@dataclass(slots=True)
class Authority:
    """Certifies whatever it is asked to, for an hour; each has its own key."""

    directory: Path
    name: str = "tests"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        own = _builder(self.name, self._key.public_key(), LIFETIME).issuer_name(_named(self.name))
        certificate = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        _write(self.file, certificate.sign(self._key, hashes.SHA256()))

    @property
    def file(self) -> Path:
        """The authority's own certificate."""
        return self.directory / f"{self.name}.ca.pem"

    def certify(self, label: str, *names: x509.GeneralName, lifetime: timedelta = LIFETIME) -> Files:
        """Certificate and key of a bearer of `names`, in files that `label` names; those of that label are replaced."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(label, key.public_key(), lifetime).issuer_name(_named(self.name))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        files = Files(self.directory / f"{label}.pem", self.directory / f"{label}.key", self.file)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files.key.write_bytes(pem)
        _write(files.certificate, builder.sign(self._key, hashes.SHA256()))
        return files


def _builder(name: str, key: ec.EllipticCurvePublicKey, lifetime: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + lifetime)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _write(file: Path, certificate: x509.Certificate) -> None:
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
