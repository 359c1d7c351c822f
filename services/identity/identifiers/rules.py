"""Pure decisions on identifiers: how strong they are, which are too many, whom they lead to."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from services.chassis.errors import Rejection
from services.identity import errors as identity_errors
from services.identity import rules as identity_rules
from services.identity.identifiers import errors
from services.identity.identifiers.normalisers import normalise
from services.identity.identifiers.values import MASK, Holder, Identifier, IdentifierType, Strength
from services.identity.values import Member

MAX_IDENTIFIERS = 500
"""Of a member, in all types and with those that were removed: a person never has so many."""
MASKED_FROM = 8
"""A shorter value shows nothing of itself."""
SHOWN = 2


def known_type(kind: IdentifierType | None, code: str) -> IdentifierType | Rejection:
    """A type, if it is configured."""
    return errors.identifier_type_unknown(code) if kind is None else kind


def normal_value(kind: IdentifierType, value: str) -> str | Rejection:
    """A value in the one form of its type, or why it cannot be anybody's."""
    normal = normalise(kind.code, kind.form, kind.region, value)
    if isinstance(normal, Rejection):
        return normal
    return errors.identifier_blocked(kind.code) if normal in kind.blocked else normal


def add_refusal(member: Member | None, kind: IdentifierType | None, code: str, value: str) -> Rejection | None:
    """Why a value in the form of its type cannot be added to a member."""
    if member is None:
        return identity_errors.MEMBER_UNKNOWN
    if (refusal := identity_rules.not_active(member.status)) is not None:
        return refusal
    if kind is None:
        return errors.identifier_type_unknown(code)
    return errors.identifier_blocked(code) if value in kind.blocked else None


def change_refusal(member: Member | None, identifier: Identifier | None) -> Rejection | None:
    """Why an identifier cannot be verified or removed. `member` is who holds it."""
    if member is None or identifier is None or not identifier.is_held:
        return errors.IDENTIFIER_UNKNOWN
    return identity_rules.not_active(member.status)


def is_verified(kind: IdentifierType | None, held: Identifier | Holder, at: datetime) -> bool:
    """Whether a verification holds at an instant."""
    if held.verified_at is None or kind is None:
        return False
    return kind.validity is None or at < held.verified_at + kind.validity


def strength(kind: IdentifierType | None, held: Identifier | Holder, at: datetime) -> Strength:
    """What an identifier says at an instant: a proof that is not verified is evidence; of a type that is no longer
    configured it is a hint."""
    if kind is None or held.is_demoted:
        return Strength.HINT
    if kind.strength is Strength.PROOF and not is_verified(kind, held, at):
        return Strength.EVIDENCE
    return kind.strength


def too_many(kind: IdentifierType, of_type: Iterable[Identifier], at: datetime) -> list[Identifier]:
    """The identifiers of a member that become hints, now that one was added: the weakest for each limit exceeded.

    Those that were removed count, too: a limit on what a person ever had is not evaded by removing.
    """
    counting = [each for each in of_type if not each.is_demoted]
    weakest: list[Identifier] = []
    if kind.limit is not None and len(counting) > kind.limit:
        weakest += _weakest(kind, counting, at)
    if kind.window_limit is not None:
        recent = [one for one in counting if one not in weakest and one.first_seen_at > at - kind.window]
        if len(recent) > kind.window_limit:
            weakest += _weakest(kind, recent, at)
    return weakest


def _weakest(kind: IdentifierType, counting: Collection[Identifier], at: datetime) -> list[Identifier]:
    """The weakest of those that are held: by strength, then by whether it is verified, then least recently seen."""

    def rank(one: Identifier) -> tuple[Strength, bool, datetime, UUID]:
        return strength(kind, one, at), is_verified(kind, one, at), one.last_seen_at, one.identifier_id

    return sorted((one for one in counting if one.is_held), key=rank)[:1]


def leading(kind: IdentifierType, holders: Iterable[Holder], at: datetime) -> list[Holder]:
    """Those of the holders of a value by which a member may be found: who verified it, or else all for whom it is more
    than a hint."""
    strong = [each for each in holders if each.is_held and strength(kind, each, at) is not Strength.HINT]
    return [each for each in strong if is_verified(kind, each, at)] or strong


def found(leading: Iterable[tuple[Holder, UUID]]) -> tuple[Holder, UUID] | Rejection:
    """Whom a value leads to: each holder stands with the member that its ID means."""
    by_member = {member_id: holder for holder, member_id in leading}
    if not by_member:
        return errors.IDENTIFIER_UNKNOWN
    if len(by_member) > 1:
        return errors.IDENTIFIER_AMBIGUOUS
    ((member_id, holder),) = by_member.items()
    return holder, member_id


def masked(value: str) -> str:
    """What may be shown of a value to who may not read it."""
    return MASK + value[-SHOWN:] if len(value) >= MASKED_FROM else ""
