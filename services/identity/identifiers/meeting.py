"""Members who meet, and who part: they come to share a value that says something, or share it no longer."""

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
    return _judged(state, member_id, near, Change(changed, frozenset(blind_indexes)), moment)


def parted(state: State, member_id: UUID, removed: Identifier, moment: Moment[Config]) -> tuple[Match, ...] | Wider:
    """What becomes of a member's matches of which an identifier is evidence that is removed, or against which it
    spoke."""
    near = {
        one
        for match in state.matches.waiting(_keepers(state, member_id))
        if any(removed.identifier_id in one.known_by[0] for one in match.evidence)
        for one in (match.member_id, match.other_id)
    }
    near |= _waiting(state, member_id, removed)
    return _judged(state, member_id, near, Change((removed,)), moment)


def _judged(
    state: State, member_id: UUID, near: Collection[UUID], change: Change, moment: Moment[Config]
) -> tuple[Match, ...] | Wider:
    """The matches between a member and whom some IDs lead to, as they become."""
    unread = tuple(sorted(one for one in near if state.member(one) is None))
    if unread:
        return Wider(Around(unread))
    others = sorted({_meant(state, one) for one in near} - {member_id})
    return evaluated(state, member_id, others, moment, change) if others else ()


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
    if identifier.type not in rules.real_name_types(state.config):
        return set()
    waiting = state.matches.waiting(_keepers(state, member_id))
    return {one for match in waiting for one in (match.member_id, match.other_id)}


def _keepers(state: State, member_id: UUID) -> set[UUID]:
    return {member_id, *(one.member_id for one in state.merged_into(member_id))}


def _meant(state: State, member_id: UUID) -> UUID:
    member = state.member(member_id)
    assert member is not None, "it was read"
    return member.survivor_id or member.member_id
