"""What an operator may say about kinds of groups, and what a caller may do in nobody's name."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.chassis.access import ALL, Caller
from services.chassis.documents import Document, DocumentErrors
from services.chassis.errors import Refused
from services.identity.documents import compile_documents
from services.identity.groups import requests
from services.identity.groups.values import GroupKind

PROGRAMME = Document("programme", "shop", "shop", {"name": "Shop", "time_zone": "Asia/Shanghai", "currency": "CNY"})
ADULT = {"code": "adult", "seats": {"max": 5}}


ADDRESS = Document(
    "identifier-type", "address", "shop", {"name": "Address", "normaliser": "address", "strength": "hint"}
)


def compiled(**spec: Any) -> GroupKind:
    kind = Document("group-kind", "family", "shop", {"name": "Family", "roles": [ADULT], **spec})
    return compile_documents([PROGRAMME, ADDRESS, kind]).group_kinds["family"]


def mistakes(**spec: Any) -> dict[str, str]:
    with pytest.raises(DocumentErrors) as caught:
        compiled(**spec)
    return {violation.field: violation.description for violation in caught.value.violations}


def test_a_kind_that_says_little_is_strict() -> None:
    kind = compiled()
    assert (kind.groups_per_member, kind.invitation_days, kind.cool_down_days) == (1, 7, 0)
    assert (kind.shares, kind.same_attribute, kind.same_identifier, kind.sub_accounts) == ((), "", "", False)
    assert kind.zone == ZoneInfo("Asia/Shanghai")


def test_every_kind_has_one_owner_who_may_everything() -> None:
    owner = compiled().roles["owner"]
    assert (owner.minimum, owner.seats) == (1, 1)
    assert owner.may == {"invite", "remove", "change-role", "transfer", "dissolve"}
    assert compiled().roles["adult"].may == frozenset()


def test_mistakes_are_named_by_their_place() -> None:
    found = mistakes(
        roles=[ADULT, ADULT, {"code": "owner", "seats": {"max": 2}}, {"code": "child", "seats": {"min": 3, "max": 2}}],
        shares=["points", "points"],
    )
    assert found == {
        "group-kind/family.roles.1.code": "is there twice",
        "group-kind/family.roles.2.code": "every kind has this role, with one seat and every right",
        "group-kind/family.roles.3.seats": "min 3 is more than max 2",
        "group-kind/family.shares": "names something twice",
    }


def test_a_group_has_no_more_seats_than_one_transaction_can_end() -> None:
    roles = [{"code": "staff", "seats": {"max": 900}}, {"code": "guest", "seats": {"max": 100}}]
    assert list(mistakes(roles=roles)) == ["group-kind/family.roles"]


def test_members_agree_in_an_attribute_or_a_type_that_is_known() -> None:
    assert compiled(same_attribute="region").same_attribute == "region"
    assert compiled(same_identifier="address").same_identifier == "address"
    assert mistakes(same_identifier="street") == {
        "group-kind/family.same_identifier": "there is no identifier-type street"
    }
    assert mistakes(same_identifier="address", same_attribute="region") == {
        "group-kind/family.same_identifier": "stands beside same_attribute; members agree in one of them"
    }


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"roles": []}, "roles"),
        ({"roles": [{"code": "adult"}]}, "roles.0.seats"),
        ({"roles": [{**ADULT, "may": ["steal"]}]}, "roles.0.may.0"),
        ({"roles": [{**ADULT, "seats": {"max": 0}}]}, "roles.0.seats.max"),
        ({"roles": [{**ADULT, "seats": {"max": 1.5}}]}, "roles.0.seats.max"),
        ({"invitation_days": 0}, "invitation_days"),
        ({"cool_down_days": -1}, "cool_down_days"),
        ({"shares": ["money"]}, "shares.0"),
        ({"same_attribute": "Region"}, "same_attribute"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], place: str) -> None:
    assert f"group-kind/family.{place}" in mistakes(**wrong)


def test_a_kind_belongs_to_a_programme() -> None:
    kind = Document("group-kind", "family", "elsewhere", {"name": "Family", "roles": [ADULT]})
    with pytest.raises(DocumentErrors, match="there is no programme elsewhere"):
        compile_documents([PROGRAMME, kind])


def test_who_acts_in_nobodys_name_manages_groups() -> None:
    front_end = Caller("shop", frozenset({"identity.groups.act"}), ALL)
    with pytest.raises(Refused) as refused:
        requests.acting("", front_end)
    assert refused.value.rejection.reason == "PERMISSION_MISSING"
    assert refused.value.rejection.metadata["permission"] == "identity.groups.manage"
    assert requests.acting("", Caller("desk", frozenset({"identity.groups.manage"}), ALL)) is None
