"""What only a suite itself knows: passwords of its database roles, keys, signing key and tokens of its callers."""

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from tessera.topology import SERVICES
from tessera.up.options import CannotStart, Layout

AUDIENCE = "tessera"
OPERATOR = "operator"
TOKEN_LIFETIME_S = 30 * 24 * 3600
"""Tokens are made anew at each start; a suite that runs longer than this needs `tessera token`."""

KEY_BYTES = 32

POLICY = """\
# Who may call what, and the names that its certificates are for. A permission that ends in .* grants everything below
# it. The services read this when they start.
callers:
  # People and programs that run the suite: everything, in every domain.
  operator:
    permissions: [config.*, clock.*, events.*, records.*, audit.*, identity.*, points.*, tiers.*, benefits.*]
    domains: "*"
    certificates: [spiffe://tessera.development/operator]
  # The services, which follow each other's feeds. Identity asks the others about members.
  identity:
    permissions: [events.feed.read, records.members.*]
    certificates: [spiffe://tessera.development/identity]
  points: {permissions: [events.feed.read], certificates: [spiffe://tessera.development/points]}
  tiers: {permissions: [events.feed.read], certificates: [spiffe://tessera.development/tiers]}
  benefits: {permissions: [events.feed.read], certificates: [spiffe://tessera.development/benefits]}
  # An example of a business: a chain of fuel stations, which acts in its own domain alone.
  fuel:
    permissions:
      - identity.accounts.*
      - points.activities.*
      - points.wallet.convert
      - points.wallet.read
      - points.wallet.refund
      - points.wallet.spend
      - tiers.standing.read
      - benefits.entitlements.*
    domains: [fuel]
    certificates: [spiffe://tessera.development/fuel]
"""


def read_secrets(layout: Layout) -> dict[str, Any]:
    """The secrets of a suite, made on its first start; those that newer versions need are added."""
    known: dict[str, Any] = json.loads(layout.secrets.read_text()) if layout.secrets.exists() else {}
    kept = {
        "page_token_key": secrets.token_hex(KEY_BYTES),
        "data_key": secrets.token_hex(KEY_BYTES),
        "blind_index_key": secrets.token_hex(KEY_BYTES),
        "audit_key": secrets.token_hex(KEY_BYTES),
        "passwords": {name: secrets.token_hex(KEY_BYTES) for name in ("admin", *SERVICES)},
    } | known
    if kept != known:
        write_private(layout.secrets, json.dumps(kept, indent=2))
    return kept


def prepare_access(layout: Layout) -> None:
    """Writes the signing key and the policy when they are missing, and fresh tokens of all the policy's callers."""
    if not layout.signing_key.exists():
        _make_key(layout)
    if not layout.policy.exists():
        layout.policy.write_text(POLICY)
    for caller in callers(layout):
        write_private(layout.token(caller), make_token(layout, caller))


def callers(layout: Layout) -> list[str]:
    """The callers that the policy names."""
    return [str(name) for name in _policy(layout)]


def certified(layout: Layout) -> set[str]:
    """All names of certificates that the policy knows."""
    rights = [each for each in _policy(layout).values() if isinstance(each, dict)]
    return {str(name) for each in rights for name in each.get("certificates") or ()}


def _policy(layout: Layout) -> dict[str, Any]:
    """The rights of each caller."""
    import yaml

    try:
        return dict(yaml.safe_load(layout.policy.read_text())["callers"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise CannotStart(f"{layout.policy} cannot be read: {error}") from None


def make_token(layout: Layout, caller: str, lifetime_s: int = TOKEN_LIFETIME_S) -> str:
    """A token that says its bearer is `caller`."""
    from joserfc import jwt
    from joserfc.jwk import OKPKey

    try:
        key = OKPKey.import_key(json.loads(layout.signing_key.read_text()))
    except OSError:
        raise CannotStart(f"no suite was ever started in {layout.data}: its signing key is missing") from None
    claims = {"sub": caller, "aud": AUDIENCE, "exp": int(time.time()) + lifetime_s}
    return jwt.encode({"alg": "Ed25519", "kid": key.kid}, claims, key, ["Ed25519"])


def _make_key(layout: Layout) -> None:
    from joserfc.jwk import KeySet, OKPKey

    key = OKPKey.generate_key("Ed25519", {"kid": secrets.token_hex(8)})
    write_private(layout.signing_key, json.dumps(key.as_dict(private=True)))
    layout.jwks.write_text(json.dumps(KeySet([key]).as_dict(private=False)))


def write_private(file: Path, text: str) -> None:
    """Writes a file that only its owner may read, as a whole: whoever reads meanwhile sees the old one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    draft.replace(file)
