"""Members who meet: both have verified that the same value is theirs."""

from collections.abc import Collection
from hashlib import blake2b
from uuid import UUID

from services.chassis import ids
from services.chassis.operations import Moment, Wider
from services.identity.identifiers import rules
from services.identity.identifiers.commands import Around
from services.identity.identifiers.values import Holder, Identifier, IdentifierType, Strength
from services.identity.matches.values import PROOF_SCORE, Match, MatchStatus
from services.identity.state import State
from services.identity.values import Config

MAX_MATCHES = 20
"""That are found at once, the longest known first: a proof that more share proves nothing, and its type is mistaken."""


def met(
    state: State,
    member_id: UUID,
    identifier: Identifier,
    blind_indexes: Collection[bytes],
    kind: IdentifierType,
    moment: Moment[Config],
) -> tuple[Match, ...] | Wider:
    """The matches that an identifier of a member makes as it becomes, or what has to be read and locked to tell."""
    if not identifier.is_held or rules.strength(kind, identifier, moment.at) is not Strength.PROOF:
        return ()
    others = [
        holder
        for holder in state.identifiers.holders(blind_indexes)
        if holder.identifier_id != identifier.identifier_id
        and holder.is_held
        and rules.strength(kind, holder, moment.at) is Strength.PROOF
        and not state.matches.is_known(frozenset({identifier.identifier_id, holder.identifier_id}))
    ][:MAX_MATCHES]
    unread = tuple(sorted({other.member_id for other in others if state.member(other.member_id) is None}))
    if unread:
        return Wider(Around(unread))
    met = [(other, meant) for other in others if (meant := _meant(state, other)) != member_id]
    unlocked = {meant for _, meant in met if moment.partition_of(meant.int) not in moment.positions}
    if unlocked:
        return Wider(Around(tuple(sorted(unlocked))))
    return tuple(
        Match(
            match_id=_match_id(member_id, identifier, other),
            member_id=member_id,
            other_id=meant,
            type=kind.code,
            identifier_id=identifier.identifier_id,
            other_identifier_id=other.identifier_id,
            score=PROOF_SCORE,
            status=MatchStatus.OPEN,
            created_at=moment.at,
        )
        for other, meant in met
    )


def _match_id(member_id: UUID, identifier: Identifier, other: Holder) -> UUID:
    """It follows from what speaks for it, and routes like who met the other one."""
    digest = blake2b(identifier.identifier_id.bytes + other.identifier_id.bytes, digest_size=16).digest()
    return ids.hashed(digest, ids.routing_of(member_id))


def _meant(state: State, holder: Holder) -> UUID:
    member = state.member(holder.member_id)
    assert member is not None, "it was read"
    return member.survivor_id or member.member_id
