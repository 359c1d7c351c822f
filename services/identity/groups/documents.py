"""The document `group-kind`: what groups of a kind are like."""

from collections.abc import Collection
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from services.chassis.documents import Code, Document, Mistakes, Spec
from services.identity.groups.values import OWNER, GroupKind, Right, Role

MAX_SEATS = 1_000
"""Seats of a group, in all roles: dissolving it writes them all in one transaction."""
MAX_DAYS = 3_660
"""Ten years: more is a mistake."""
RIGHTS: frozenset[Right] = frozenset({"invite", "remove", "change-role", "transfer", "dissolve"})


class SeatsSpec(Spec):
    """How many members have a role: at most `max`; once `min` have it, none of them can leave."""

    min: Annotated[int, Field(ge=0, le=MAX_SEATS)] = 0
    max: Annotated[int, Field(ge=1, le=MAX_SEATS)]


class RoleSpec(Spec):
    """A role beside the owner's, and what it may do. The owner has one seat and may do everything."""

    code: Code
    seats: SeatsSpec
    may: tuple[Right, ...] = ()


class GroupKindSpec(Spec):
    """A kind of group. Days are civil days of the programme.

    Seats, limits, invitation days and cool-down are as published now; what members share and in what they agree is as
    it was when their group was founded, since they joined on these terms.
    """

    name: str
    roles: Annotated[tuple[RoleSpec, ...], Field(min_length=1, max_length=50)]
    groups_per_member: Annotated[int, Field(ge=1, le=MAX_SEATS)] | Literal["unlimited"] = 1
    invitation_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = 7
    cool_down_days: Annotated[int, Field(ge=0, le=MAX_DAYS)] = 0
    same_attribute: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,62})?$")] = ""
    same_identifier: str = ""
    shares: tuple[Literal["points", "tiers", "benefits"], ...] = ()
    sub_accounts: bool = False


def check_kind(document: Document, spec: GroupKindSpec, types: Collection[str], mistakes: Mistakes) -> None:
    """Note what is wrong with a kind beyond the form of its fields; `types` are the codes of types of identifiers."""
    seen: set[str] = {OWNER}
    for number, role in enumerate(spec.roles):
        field = f"{document.name}.roles.{number}"
        if role.code in seen:
            text = "every kind has this role, with one seat and every right" if role.code == OWNER else "is there twice"
            mistakes.add(f"{field}.code", text)
        seen.add(role.code)
        if role.seats.min > role.seats.max:
            mistakes.add(f"{field}.seats", f"min {role.seats.min} is more than max {role.seats.max}")
    seats = 1 + sum(role.seats.max for role in spec.roles)
    if seats > MAX_SEATS:
        mistakes.add(f"{document.name}.roles", f"{seats} seats with the owner's; a group has {MAX_SEATS} at most")
    if len(set(spec.shares)) < len(spec.shares):
        mistakes.add(f"{document.name}.shares", "names something twice")
    if spec.same_identifier and spec.same_attribute:
        mistakes.add(f"{document.name}.same_identifier", "stands beside same_attribute; members agree in one of them")
    elif spec.same_identifier and spec.same_identifier not in types:
        mistakes.add(f"{document.name}.same_identifier", f"there is no identifier-type {spec.same_identifier}")


def group_kind(code: str, spec: GroupKindSpec, zone: ZoneInfo) -> GroupKind:
    """A kind as the rules use it."""
    owner = Role(OWNER, 1, 1, RIGHTS)
    roles = [Role(role.code, role.seats.min, role.seats.max, frozenset(role.may)) for role in spec.roles]
    return GroupKind(
        code=code,
        zone=zone,
        roles={role.code: role for role in (owner, *roles)},
        groups_per_member=None if spec.groups_per_member == "unlimited" else spec.groups_per_member,
        invitation_days=spec.invitation_days,
        cool_down_days=spec.cool_down_days,
        same_attribute=spec.same_attribute,
        same_identifier=spec.same_identifier,
        shares=spec.shares,
        sub_accounts=spec.sub_accounts,
    )
