"""Members who meet: they come to share a value that says something."""

from collections.abc import Collection
from uuid import UUID

from services.chassis.operations import Moment, Wider
from services.identity.identifiers.commands import Around
from services.identity.identifiers.values import Identifier
from services.identity.matches import rules
from services.identity.matches.evaluating import Change, evaluated
from services.identity.matches.values import MAX_HOLDERS, Match
from services.identity.state import State
from services.identity.values import Config


def met(
    state: State,
    member_id: UUID,
    changed: tuple[Identifier, ...],
    blind_indexes: Collection[bytes],
    moment: Moment[Config],
) -> tuple[Match, ...] | Wider:
    """The matches that a member's identifiers make as they become, or what has to be read and locked to tell. The first
    of them has the value that is shared, under these hashes."""
    identifier = changed[0]
    if not identifier.is_held:
        return ()
    near = {*_holding(state, identifier, blind_indexes), *_waiting(state, member_id, identifier)}
    unread = tuple(sorted(one for one in near if state.member(one) is None))
    if unread:
        return Wider(Around(unread))
    others = sorted({_meant(state, one) for one in near} - {member_id})
    return evaluated(state, member_id, others, moment, Change(changed, frozenset(blind_indexes))) if others else ()


def _holding(state: State, identifier: Identifier, blind_indexes: Collection[bytes]) -> set[UUID]:
    """Who else holds the value, if it says something."""
    if identifier.type not in rules.types_that_count(rules.policies_of(state.config)):
        return set()
    holders = {
        holder.member_id
        for holder in state.identifiers.holders(blind_indexes)
        if holder.is_held and holder.identifier_id != identifier.identifier_id
    }
    return holders if len(holders) < MAX_HOLDERS else set()


def _waiting(state: State, member_id: UUID, identifier: Identifier) -> set[UUID]:
    """Whom a member has met before: a real name may speak against that."""
    if identifier.type not in rules.real_name_types(state.config) or identifier.verified_at is None:
        return set()
    keepers = {member_id, *(one.member_id for one in state.merged_into(member_id))}
    return {one for match in state.matches.waiting(keepers) for one in (match.member_id, match.other_id)}


def _meant(state: State, member_id: UUID) -> UUID:
    member = state.member(member_id)
    assert member is not None, "it was read"
    return member.survivor_id or member.member_id
