"""What the policy file and the contracts say a caller may do."""

from pathlib import Path

import pytest
from grpc import StatusCode

from services.chassis.access import (
    ALL,
    AccessPolicy,
    Caller,
    MissingPermission,
    PolicyError,
    permission_of,
    require_domain,
)
from services.chassis.errors import Refused
from tests.chassis.echo import ECHO, UNGUARDED


def policy(directory: Path, text: str) -> AccessPolicy:
    file = directory / "policy.yaml"
    file.write_text(text)
    return AccessPolicy.load(file)


def caller(*permissions: str, domains: frozenset[str] = frozenset()) -> Caller:
    return Caller("shop", frozenset(permissions), domains)


def test_a_permission_is_held_by_name_or_by_a_wildcard_above_it() -> None:
    assert caller("points.activities.record").has_permission("points.activities.record")
    assert caller("points.*").has_permission("points.activities.record")
    assert caller("points.activities.*").has_permission("points.activities.record")


@pytest.mark.parametrize(
    "granted", ["points.activities.read", "points.activities", "tiers.*", "points.activities.record.*", "poin.*"]
)
def test_nothing_else_grants_it(granted: str) -> None:
    assert not caller(granted).has_permission("points.activities.record")


def test_the_policy_tells_what_each_caller_may_do(tmp_path: Path) -> None:
    loaded = policy(
        tmp_path,
        """
        callers:
          shop: {permissions: [points.activities.record], domains: [shopping]}
          replay: {permissions: [points.*, tiers.standings.read], domains: "*"}
        """,
    )
    assert loaded.caller("shop") == Caller("shop", frozenset({"points.activities.record"}), frozenset({"shopping"}))
    assert loaded.caller("replay").domains is ALL
    assert loaded.callers_with("points.activities.record") == {"shop", "replay"}
    assert loaded.callers_with("tiers.standings.read") == {"replay"}


def test_the_policy_tells_whose_a_certificate_is(tmp_path: Path) -> None:
    loaded = policy(tmp_path, "callers: {shop: {certificates: [shop.example, 'spiffe://example/shop']}}")
    assert loaded.certificates == {"shop.example": "shop", "spiffe://example/shop": "shop"}


def test_a_certificate_is_that_of_one_caller_and_its_name_is_valid(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as raised:
        policy(tmp_path, "callers: {a: {certificates: [x, '*.example']}, b: {certificates: [x]}}")
    assert raised.value.mistakes == (
        "callers.a.certificates: '*.example' is not a valid name",
        "callers.b.certificates: 'x' is already that of a",
    )


def test_a_caller_that_the_policy_does_not_name_may_do_nothing(tmp_path: Path) -> None:
    stranger = policy(tmp_path, "callers: {}").caller("stranger")
    assert not stranger.has_permission("points.activities.record")
    assert not stranger.may_act_in("shopping")


def test_rights_that_are_not_written_are_not_granted(tmp_path: Path) -> None:
    shop = policy(tmp_path, "callers: {shop: {}}").caller("shop")
    assert (shop.permissions, shop.domains) == (frozenset(), frozenset())


def test_all_mistakes_of_a_policy_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as raised:
        policy(
            tmp_path,
            """
            callers:
              shop: {permissions: [Points.*, "*"], domains: everywhere, role: admin}
              replay: all
            """,
        )
    assert raised.value.mistakes == (
        "callers.shop.role: is unknown",
        "callers.shop.permissions: 'Points.*' is not a valid name",
        "callers.shop.permissions: '*' is not a valid name",
        "callers.shop.domains: must be a list of names",
        "callers.replay: must be a mapping with permissions, domains and certificates",
    )


@pytest.mark.parametrize(
    "text",
    ["", "[]", "callers: []", "callers: {}\nextra: 1", "callers: {a: {}, a: {permissions: [x.*]}}", "{", "? {}\n: 1"],
)
def test_a_doubtful_policy_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PolicyError):
        policy(tmp_path, text)


def test_a_caller_acts_only_in_its_domains() -> None:
    shop = caller(domains=frozenset({"shopping"}))
    require_domain(shop, "shopping")
    with pytest.raises(Refused) as raised:
        require_domain(shop, "travel")
    rejection = raised.value.rejection
    assert (rejection.code, rejection.reason) == (StatusCode.PERMISSION_DENIED, "DOMAIN_NOT_ALLOWED")
    assert rejection.metadata == {"caller": "shop", "domain": "travel"}


def test_a_caller_of_all_domains_acts_in_any() -> None:
    require_domain(Caller("replay", frozenset(), ALL), "travel")


def test_the_contract_names_the_permission_of_a_method() -> None:
    assert permission_of(ECHO.methods_by_name["Say"]) == "echo.words.say"


def test_a_method_must_name_one() -> None:
    with pytest.raises(MissingPermission):
        permission_of(UNGUARDED.methods_by_name["Say"])
