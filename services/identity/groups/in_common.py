"""What the members of a group have in common: an attribute, or an identifier such as an address, as its founder had it.

The group keeps a keyed hash of it, so joining needs nobody's data but the joining member's.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.chassis.errors import Rejection
from services.chassis.operations import Wider
from services.identity import errors as identity_errors
from services.identity import wire as identity_wire
from services.identity.groups import errors
from services.identity.groups.commands import AcceptInvitation, CreateGroup
from services.identity.groups.values import Group, GroupKind
from services.identity.identifiers.operations import elsewhere, merged_into
from services.identity.identifiers.values import Identifier
from services.identity.state import State
from services.identity.values import Member

NOTHING = b""
"""The hash of groups whose members need not have anything in common."""

Joining = CreateGroup | AcceptInvitation
Terms = GroupKind | Group


def hashes(state: State, command: Joining, member: Member, terms: Terms) -> list[bytes] | Rejection | Wider:
    """What a member has of what is to be in common, hashed, the one last seen first; or what has to be read to tell.

    The member may have been merged since its key was opened.
    """
    if terms.same_attribute:
        return _attribute(command, member, terms.same_attribute)
    if terms.same_identifier:
        return _identifiers(state, command, member, terms.same_identifier)
    return [NOTHING]


def differs(terms: Terms) -> Rejection:
    """Why a member that lacks it cannot join."""
    if terms.same_attribute:
        return errors.group_attribute_differs(terms.same_attribute)
    return errors.group_identifier_differs(terms.same_identifier)


def _attribute(command: Joining, member: Member, name: str) -> list[bytes] | Rejection:
    if not member.attributes:
        return []
    box = command.keys.get(member.member_id)
    if box is None:
        return identity_errors.ACCOUNTS_CHANGED
    value = identity_wire.attributes_of(member, box).get(name, "")
    return [command.vault.common_index(name, value)] if value else []


def _identifiers(state: State, command: Joining, member: Member, code: str) -> list[bytes] | Rejection | Wider:
    if (wider := elsewhere(state, member)) is not None:
        return wider
    known_by = state.identifiers.of_members([member.member_id, *merged_into(state, member)])
    held = sorted(_counting(known_by, code), key=_last_seen, reverse=True)
    if any(one.member_id not in command.keys for one in held):
        return identity_errors.ACCOUNTS_CHANGED
    return [command.vault.common_index(f"identifier.{code}", _value(command, one)) for one in held]


def _counting(identifiers: Iterable[Identifier], code: str) -> list[Identifier]:
    """Those of a type that are held; one that was demoted is one too many, so it does not count."""
    return [one for one in identifiers if one.type == code and one.is_held and not one.is_demoted]


def _last_seen(identifier: Identifier) -> tuple[datetime, UUID]:
    return identifier.last_seen_at, identifier.identifier_id


def _value(command: Joining, identifier: Identifier) -> str:
    return command.keys[identifier.member_id].open(identifier.value, identifier.identifier_id.bytes).decode()
