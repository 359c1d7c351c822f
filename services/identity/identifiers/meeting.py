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
    if not identifier.is_held or identifier.type not in rules.types_that_count(rules.policies_of(state.config)):
        return ()
    holders = {
        holder.member_id
        for holder in state.identifiers.holders(blind_indexes)
        if holder.is_held and holder.identifier_id != identifier.identifier_id
    }
    if len(holders) >= MAX_HOLDERS:
        return ()
    unread = tuple(sorted(holder for holder in holders if state.member(holder) is None))
    if unread:
        return Wider(Around(unread))
    others = sorted({_meant(state, holder) for holder in holders} - {member_id})
    return evaluated(state, member_id, others, moment, Change(changed, frozenset(blind_indexes))) if others else ()


def _meant(state: State, member_id: UUID) -> UUID:
    member = state.member(member_id)
    assert member is not None, "it was read"
    return member.survivor_id or member.member_id
