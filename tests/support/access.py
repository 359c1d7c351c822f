"""Callers of tests: a signing key, the policy that knows them, their tokens."""

import json
import tempfile
import time
from functools import cache
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

EVERYTHING = "operator"
"""The caller that may do everything in every domain."""

POLICY = """
callers:
  operator:
    permissions:
      [identity.*, points.*, tiers.*, benefits.*, records.*, audit.*, ledger.*, events.*, config.*, clock.*]
    domains: "*"
    certificates: [operator.example]
  auditor:
    permissions: ["ledger.*"]
    domains: []
  feeds:
    permissions: [events.feed.read, records.members.*]
    domains: []
    certificates: [feeds.example]
  fuel:
    permissions: ["identity.*", "points.*", "tiers.*", "benefits.*"]
    domains: [fuel]
  reader:
    permissions: [identity.members.read]
    domains: []
  nobody:
    permissions: []
    domains: []
    certificates: [nobody.example]
"""
LIFETIME_S = 3600


@cache
def _key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": "test"})


@cache
def directory() -> Path:
    """The folder with policy.yaml, jwks.json and feeds.jwt."""
    folder = Path(tempfile.mkdtemp(prefix="tessera-test-access-"))
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "jwks.json").write_text(json.dumps(KeySet([_key()]).as_dict(private=False)))
    (folder / "feeds.jwt").write_text(token("feeds"))
    return folder


def token(caller: str = EVERYTHING, lifetime_s: int = LIFETIME_S, audience: str = "tessera") -> str:
    """A token of a caller."""
    claims = {"sub": caller, "aud": audience, "exp": int(time.time()) + lifetime_s}
    return jwt.encode({"alg": "Ed25519", "kid": "test"}, claims, _key(), ["Ed25519"])
