"""Where a running suite is: the file that `tessera up` writes and every client reads."""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc

from tessera.complaints import Complaint
from tessera.topology import SERVICES

SUITE_VARIABLE = "TESSERA_SUITE"
TOKEN_VARIABLE = "TESSERA_TOKEN"
SUITE_FILE = "suite.json"
AUTHORITY = "ca"
"""What the suite's own authority is called among its certificates."""


class NoSuite(Complaint):
    """No suite is known to run, or its file cannot be read."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A running suite; addresses are host:port by service."""

    addresses: Mapping[str, str]
    metrics: Mapping[str, str]
    token_file: str
    """The operator's token."""
    clock: str
    """`real` or `virtual`."""
    data: str
    """The data directory, absolute."""
    pid: int
    """The process of `tessera up`."""
    tls: str = ""
    """The folder with the certificates of its callers, absolute; empty when it speaks without TLS."""


def certificate_file(folder: Path, caller: str) -> Path:
    """The certificate of a caller, or the authority's own."""
    return folder / f"{caller}.pem"


def key_file(folder: Path, caller: str) -> Path:
    """The key of a certificate."""
    return folder / f"{caller}.key"


def credentials(folder: Path, caller: str) -> grpc.ChannelCredentials:
    """What a caller shows to the services of a suite, and believes of them.

    Raises NoSuite when the suite has certified no such caller.
    """
    files = (certificate_file(folder, AUTHORITY), key_file(folder, caller), certificate_file(folder, caller))
    try:
        return grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))
    except OSError as error:
        raise NoSuite(f"the suite has no certificate for the caller {caller}: {error.filename} is missing") from None


def caller_of(token: str) -> str:
    """Whose token it is, as it says itself. Raises NoSuite for what is no token."""
    try:
        claims = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])
    except (IndexError, ValueError, KeyError, TypeError):
        raise NoSuite(f"what was given as a token (${TOKEN_VARIABLE}?) is none") from None


def checkout_root() -> Path | None:
    """The checkout that this package runs from; None where it was installed from a distribution."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "services").is_dir() and (root / "protos").is_dir() else None


def data_root() -> Path:
    """Where data directories are by default."""
    return (checkout_root() or Path.cwd()) / "build" / "data"


def write_suite(suite: Suite, file: Path) -> None:
    """Writes a suite's file as a whole: a reader sees all of it or nothing."""
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(suite), indent=2) + "\n")
    draft.replace(file)


def read_suite(file: Path | None = None) -> Suite:
    """The suite described by `file`; by default by $TESSERA_SUITE, or else the one started last in this checkout.

    Raises NoSuite with a text for people.
    """
    given = file or os.environ.get(SUITE_VARIABLE)
    path = Path(given) if given else data_root() / SUITE_FILE
    path = path / SUITE_FILE if path.is_dir() else path
    try:
        suite = Suite(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise NoSuite(
            f"no suite is running here ({path} is missing): start one with `tessera up`, "
            f"or name the directory of one that runs, with --data or ${SUITE_VARIABLE}"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise NoSuite(f"{path} does not describe a suite: {error}") from None
    if set(suite.addresses) != set(SERVICES):
        raise NoSuite(f"{path} does not describe a suite: it must name the addresses of {', '.join(SERVICES)}")
    return suite
