"""The suite's own authority, and what it certifies: each caller of the policy, for development on this machine."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tessera.suite import AUTHORITY, certificate_file, key_file
from tessera.topology import SERVICES
from tessera.up.options import CannotStart, Layout
from tessera.up.secrets import OPERATOR, callers, certified, write_private

if TYPE_CHECKING:  # they take a tenth of a second, which a suite without TLS need not wait
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

TRUST_DOMAIN = "tessera.development"
HOST = "127.0.0.1"
LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
"""Looked at when a suite starts; one that runs longer than this without a stop is told by its callers."""


def prepare_certificates(layout: Layout) -> None:
    """Certifies the policy's callers; what is still good, and of this authority, is kept.

    Raises CannotStart for files that are none of ours, and for a policy that does not know the suite's own
    certificates.
    """
    unknown = {name_of(caller) for caller in (*SERVICES, OPERATOR)} - certified(layout)
    if unknown:
        raise CannotStart(
            f"{layout.policy} does not say whose these certificates are: {', '.join(sorted(unknown))}. Add each to the "
            "`certificates` of its caller, remove the file to have it made anew, or start with --insecure."
        )
    authority = certificate_file(layout.tls, AUTHORITY)
    if not _is_good(authority, authority):
        _certify_authority(layout)
    for caller in callers(layout):
        if not _is_good(certificate_file(layout.tls, caller), authority):
            _certify(layout, caller)


def name_of(caller: str) -> str:
    """The name that a caller's certificate is for, as the policy has it."""
    return f"spiffe://{TRUST_DOMAIN}/{caller}"


def _is_good(file: Path, authority: Path) -> bool:
    """Whether a certificate is there, was issued by the authority, fits its key, and is good for long enough."""
    if not (file.exists() and file.with_suffix(".key").exists() and authority.exists()):
        return False
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        certificate, issuer = (x509.load_pem_x509_certificate(each.read_bytes()) for each in (file, authority))
        fits = _read_key(file).public_key() == certificate.public_key()
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except (OSError, ValueError, TypeError) as error:
        raise CannotStart(
            f"{file} and its key cannot be used: {error}. Remove {file.parent}, and all are made anew."
        ) from None
    return fits and certificate.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE


def _certify_authority(layout: Layout) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(AUTHORITY, key).issuer_name(_named(AUTHORITY))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    _write(layout, AUTHORITY, key, builder, key)


def _certify(layout: Layout, caller: str) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(name_of(caller)),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address(HOST)),
    ]
    builder = _builder(caller, key).issuer_name(_named(AUTHORITY))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    _write(layout, caller, key, builder, _read_key(certificate_file(layout.tls, AUTHORITY)))


def _builder(name: str, key: "ec.EllipticCurvePrivateKey") -> "x509.CertificateBuilder":
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _named(name: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _read_key(certificate: Path) -> "ec.EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(certificate.with_suffix(".key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is none of an elliptic curve")
    return key


def _write(
    layout: Layout,
    name: str,
    key: "ec.EllipticCurvePrivateKey",
    builder: "x509.CertificateBuilder",
    issuer: "ec.EllipticCurvePrivateKey",
) -> None:
    """The key first: a certificate without one is made anew at the next start."""
    from cryptography.hazmat.primitives import hashes, serialization

    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(key_file(layout.tls, name), pem.decode())
    certificate = builder.sign(issuer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    write_private(certificate_file(layout.tls, name), certificate.decode())
