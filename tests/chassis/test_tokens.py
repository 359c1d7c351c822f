"""Which tokens are believed."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from structlog.testing import capture_logs

from services.chassis import tokens
from services.chassis.access import AccessPolicy, Caller
from services.chassis.errors import Refused
from services.chassis.tokens import TokenVerifier
from tests.chassis.edge import Issuer, new_key

SHOP = Caller("shop", frozenset({"echo.words.*"}), frozenset({"shopping"}))


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def verifier(issuer: Issuer, **options: Any) -> TokenVerifier:
    return TokenVerifier(AccessPolicy({"shop": SHOP}), issuer.jwks_file, "tessera", **{"recheck_s": 0.0, **options})


def reason(verify: TokenVerifier, authorization: str | bytes | None) -> str:
    with pytest.raises(Refused) as raised:
        verify.caller(authorization)
    assert raised.value.rejection.code is StatusCode.UNAUTHENTICATED
    return raised.value.rejection.reason


def unsigned(header: dict[str, str], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_a_valid_token_names_its_caller(issuer: Issuer) -> None:
    assert verifier(issuer).caller(f"Bearer {issuer.token()}") == SHOP
    assert verifier(issuer).caller(f"bearer {issuer.token()}") == SHOP


def test_a_caller_unknown_to_the_policy_has_no_rights(issuer: Issuer) -> None:
    assert verifier(issuer).caller(f"Bearer {issuer.token('stranger')}") == Caller("stranger", frozenset(), frozenset())


@pytest.mark.parametrize("authorization", [None, "", "Basic c2hvcDpzaG9w", b"Bearer x"])
def test_a_call_without_bearer_token_is_told_so(issuer: Issuer, authorization: str | bytes | None) -> None:
    assert reason(verifier(issuer), authorization) == "TOKEN_MISSING"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "elsewhere"},
        {"aud": ["elsewhere"]},
        {"aud": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"nbf": 32503680000},
    ],
    ids=str,
)
def test_a_token_with_doubtful_claims_is_refused(issuer: Issuer, claims: dict[str, Any]) -> None:
    assert reason(verifier(issuer), f"Bearer {issuer.token(**claims)}") == "TOKEN_INVALID"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a.b.c.d.e", "é.é.é", "x" * 10_000])
def test_what_is_no_token_is_refused(issuer: Issuer, token: str) -> None:
    assert reason(verifier(issuer), f"Bearer {token}") == "TOKEN_INVALID"


def test_an_expired_token_is_told_apart(issuer: Issuer) -> None:
    assert reason(verifier(issuer), f"Bearer {issuer.token(lifetime_s=-1)}") == "TOKEN_EXPIRED"


def test_a_token_that_was_believed_expires_all_the_same(issuer: Issuer) -> None:
    now = [1000.0]
    verify = verifier(issuer, now=lambda: now[0])
    token = f"Bearer {issuer.token(exp=1060)}"
    assert verify.caller(token) == SHOP
    now[0] = 1060.0
    assert reason(verify, token) == "TOKEN_EXPIRED"


def test_an_unsigned_token_is_refused(issuer: Issuer) -> None:
    claims = {"sub": "shop", "aud": "tessera", "exp": 32503680000}
    assert reason(verifier(issuer), f"Bearer {unsigned({'alg': 'none'}, claims)}") == "TOKEN_INVALID"


def test_a_public_key_is_no_shared_secret(issuer: Issuer) -> None:
    claims = {"sub": "shop", "aud": "tessera", "exp": 32503680000}
    public = OctKey.import_key(base64.urlsafe_b64decode(str(issuer.key.as_dict(private=False)["x"]) + "="))
    for alg in ("HS256", "HS512"):
        token = jwt.encode({"alg": alg, "kid": "first"}, claims, public, [alg])
        assert reason(verifier(issuer), f"Bearer {token}") == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("make", "alg", "accepted"),
    [
        (lambda: ECKey.generate_key("P-256", {"kid": "other"}), "ES256", True),
        (lambda: RSAKey.generate_key(2048, {"kid": "other"}), "RS256", True),
        (lambda: RSAKey.generate_key(2048, {"kid": "other"}), "PS256", False),
        (lambda: ECKey.generate_key("P-384", {"kid": "other"}), "ES384", False),
    ],
    ids=["ES256", "RS256", "PS256", "ES384"],
)
def test_only_the_pinned_algorithms_are_accepted(
    issuer: Issuer, make: Callable[[], Any], alg: str, accepted: bool
) -> None:
    key = make()
    issuer.publish(issuer.key, key)
    token = jwt.encode({"alg": alg, "kid": "other"}, {"sub": "shop", "aud": "tessera", "exp": 32503680000}, key, [alg])
    if accepted:
        assert verifier(issuer).caller(f"Bearer {token}") == SHOP
    else:
        assert reason(verifier(issuer), f"Bearer {token}") == "TOKEN_INVALID"


def test_the_older_name_of_ed25519_is_accepted(issuer: Issuer) -> None:
    claims = {"sub": "shop", "aud": "tessera", "exp": 32503680000}
    with pytest.warns(match="EdDSA is deprecated"):
        token = jwt.encode({"alg": "EdDSA", "kid": "first"}, claims, issuer.key, ["EdDSA"])
    assert verifier(issuer).caller(f"Bearer {token}") == SHOP


def test_a_token_of_another_key_is_refused(issuer: Issuer) -> None:
    verify = verifier(issuer)
    issuer.key = new_key("first")
    assert reason(verify, f"Bearer {issuer.token()}") == "TOKEN_INVALID"


def test_keys_rotate_without_a_restart(issuer: Issuer) -> None:
    verify = verifier(issuer)
    old_key, old = issuer.key, f"Bearer {issuer.token()}"
    assert verify.caller(old) == SHOP
    issuer.key = new_key("second")
    new = f"Bearer {issuer.token()}"
    assert reason(verify, new) == "TOKEN_INVALID"
    issuer.publish(old_key, issuer.key)
    assert (verify.caller(old), verify.caller(new)) == (SHOP, SHOP)
    issuer.publish(issuer.key)
    assert verify.caller(new) == SHOP
    assert reason(verify, old) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"keys": []}',
        '{"keys": [{"kty": "OKP"}]}',
        '{"keys": 7}',
        '{"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]}',
    ],
)
def test_while_the_key_file_is_doubtful_nobody_is_believed(issuer: Issuer, content: str) -> None:
    verify, token = verifier(issuer), f"Bearer {issuer.token()}"
    assert verify.caller(token) == SHOP
    issuer.jwks_file.write_text(content)
    with capture_logs(), pytest.raises(Refused) as raised:
        verify.caller(token)
    assert raised.value.rejection.code is StatusCode.UNAVAILABLE
    issuer.publish(issuer.key)
    assert verify.caller(token) == SHOP


def test_a_key_file_that_disappears_believes_nobody(issuer: Issuer) -> None:
    verify, token = verifier(issuer), f"Bearer {issuer.token()}"
    os.unlink(issuer.jwks_file)
    with capture_logs(), pytest.raises(Refused) as raised:
        verify.caller(token)
    assert raised.value.rejection.reason == "KEYS_UNAVAILABLE"


def test_a_verified_token_is_not_verified_again(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    verify, token = verifier(issuer), f"Bearer {issuer.token()}"
    verify.caller(token)
    monkeypatch.setattr(jwt, "decode", None)
    assert verify.caller(token) == SHOP


def test_remembered_tokens_are_bounded(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_CACHED_TOKENS", 2)
    verify = verifier(issuer)
    bearers = [f"Bearer {issuer.token(jti=str(number))}" for number in range(5)]
    assert [verify.caller(bearer) for bearer in bearers] == [SHOP] * 5
    assert len(verify._verified) == 2
