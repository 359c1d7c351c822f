"""How members are erased: everything personal goes, and what must stay is nobody's."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.identity import errors as identity_errors
from services.identity.groups import belonging
from services.identity.groups.changes import Changed
from services.identity.groups.values import Invitation, InvitationStatus, Seat
from services.identity.identifiers.operations import locking, unlocked
from services.identity.identifiers.values import NOWHERE, Identifier
from services.identity.keys.values import DESTROYED
from services.identity.matches.values import Match, MatchReason, MatchStatus
from services.identity.privacy import errors, rules, wire
from services.identity.privacy.changes import Erased, Forgotten
from services.identity.privacy.commands import EraseMember, ForgetPersons
from services.identity.privacy.values import PersonKey
from services.identity.state import State
from services.identity.values import ACCOUNT, Account, Config, Member, Route, Status

NOTHING = b""
"""What stands in place of what was sealed."""


def erase(state: State, command: EraseMember, moment: Moment[Config]) -> Decided:
    """Erase a member. Whoever or whatever came along since the command was made means to begin anew."""
    member = state.member(command.member_id)
    refusal = rules.erasure_refusal(member)
    if refusal is not None or member is None:
        return refusal or identity_errors.MEMBER_UNKNOWN
    accounts = _accounts(state, command)
    if not _is_all_known(state, command, member, accounts):
        return identity_errors.ACCOUNTS_CHANGED
    lent = [one for one in accounts if one.holder_id not in command.member_ids and one.unlinked_at is None]
    if lent:
        return errors.accounts_held_elsewhere(ids.encode(ACCOUNT, lent[0].account_id), len(lent))
    left = _left(state, command, moment.at)
    if isinstance(left, Rejection):
        return left
    identifiers = [one for one in state.identifiers.of_members(command.member_ids) if one.blind_index != NOWHERE]
    if (wider := unlocked(identifiers, moment)) is not None:
        return wider
    waiting = state.matches.waiting(command.member_ids)
    both = {one for match in waiting for one in (match.member_id, match.other_id)}
    if (wider := locking(set(map(ids.routing_of, both)), moment)) is not None:
        return wider
    members = [one for one in map(state.member, command.member_ids) if one is not None]
    erased = Erased(
        command=command,
        members=tuple(map(_nobody, members)),
        accounts=tuple(_of_nobody(account, moment.at) for account in accounts),
        routes=tuple(_routes(state, command)),
        identifiers=tuple(_unknown(identifier, moment.at) for identifier in identifiers),
        left=left,
        seats=tuple(_former_seats(state, command, left)),
        invitations=tuple(_former_invitations(state, command, left)),
        matches=tuple(_lapsed(match, moment.at) for match in waiting),
        person_keys=tuple(_person_keys(state, command, accounts, moment.at)),
    )
    return Decision(erased, lambda: wire.erased_answer(command, left, moment))


def _is_all_known(state: State, command: EraseMember, member: Member, accounts: Iterable[Account]) -> bool:
    """Whether all that is there now was there when the command was made."""
    touched = {seat.group_id for _, seat in state.privacy.seats(command.member_ids)}
    touched |= {invitation.group_id for _, invitation in state.privacy.invitations(command.member_ids)}
    return (
        member.survivor_id is None
        and member.homes <= command.homes
        and {merged.member_id for merged in state.merged_into(member.member_id)} == set(command.absorbed_ids)
        and {account.blind_index for account in accounts} <= {route.blind_index for route in command.routes}
        and touched <= set(command.group_ids)
    )


def _nobody(member: Member) -> Member:
    """Without its key nothing can be read that was sealed under it, here or in a backup."""
    return replace(member, status=Status.ERASED, data_key=DESTROYED, attributes=NOTHING)


def _of_nobody(account: Account, at: datetime) -> Account:
    return replace(account, blind_index=NOTHING, external_id=NOTHING, unlinked_at=account.unlinked_at or at)


def _unknown(identifier: Identifier, at: datetime) -> Identifier:
    """Without a value, and found by nothing."""
    return identifier._replace(
        value=NOTHING, blind_index=NOWHERE, verified_at=None, removed_at=identifier.removed_at or at
    )


def _lapsed(match: Match, at: datetime) -> Match:
    """Nobody has to decide any more on who is there no more."""
    return match._replace(status=MatchStatus.LAPSED, reason=MatchReason.MEMBER_ERASED, changed_at=at)


def _accounts(state: State, command: EraseMember) -> list[Account]:
    """All that the members have and had, but those of which nothing is left."""
    return [account for account in state.privacy.accounts(command.member_ids) if account.blind_index]


def _routes(state: State, command: EraseMember) -> Iterable[Route]:
    """Those of the members' names that lead to one of them, or nowhere; others belong to somebody else by now."""
    for key in command.routes:
        route = state.route(key.blind_index)
        if route is not None and (route.member_id is None or route.member_id in command.member_ids):
            yield route


def _left(state: State, command: EraseMember, at: datetime) -> Changed | Rejection:
    """The groups that the members leave and the invitations that end, without the texts that are on them."""
    seats: list[tuple[Seat, str]] = []
    for member_id in command.member_ids:
        left = belonging.leave_all(state, member_id, command.group_ids, at)
        if isinstance(left, Rejection):
            return left
        seats += [(_without_texts(seat), shares) for seat, shares in left.seats]
    asked = state.privacy.invitations(command.member_ids)
    ended = (_ended(one, at) for owner_id, one in asked if owner_id == one.member_id and _is_open(one))
    return Changed(seats=tuple(seats), invitations=tuple(ended))


def _is_open(invitation: Invitation) -> bool:
    return invitation.status is InvitationStatus.OPEN


def _ended(invitation: Invitation, at: datetime) -> Invitation:
    """An open invitation as it ends: it was cancelled, unless its time was over before."""
    if invitation.expires_at <= at:
        ended = invitation._replace(status=InvitationStatus.EXPIRED, closed_at=invitation.expires_at)
    else:
        ended = invitation._replace(status=InvitationStatus.CANCELLED, closed_at=at)
    return ended._replace(label="", cost_centre="")


def _without_texts(seat: Seat) -> Seat:
    return seat._replace(label="", cost_centre="")


def _former_seats(state: State, command: EraseMember, left: Changed) -> Iterable[tuple[UUID, Seat]]:
    """The rows of seats that have a text and were left before."""
    ended = {seat.seat_id for seat, _ in left.seats}
    for owner_id, seat in state.privacy.seats(command.member_ids):
        if seat.seat_id not in ended and (seat.label or seat.cost_centre):
            yield owner_id, _without_texts(seat)


def _former_invitations(state: State, command: EraseMember, left: Changed) -> Iterable[tuple[UUID, Invitation]]:
    """The rows of invitations that have a text and ended before: one that was readdressed has ended for who got it
    first, and goes on for the other."""
    ended = {(owner_id, one.invitation_id) for one in left.invitations for owner_id in (one.group_id, one.member_id)}
    for owner_id, one in state.privacy.invitations(command.member_ids):
        if (owner_id, one.invitation_id) not in ended and (one.label or one.cost_centre):
            yield owner_id, one._replace(label="", cost_centre="")


def _person_keys(state: State, command: EraseMember, accounts: Iterable[Account], at: datetime) -> Iterable[PersonKey]:
    """What the programmes of the accounts remember: that whoever has such an account was here.

    One that was unlinked may be somebody else's.
    """
    partitions = {route.blind_index: route.partition for route in command.routes}
    for account in accounts:
        domain = state.config.domains.get(account.domain)
        remembrance = None if domain is None else state.config.remembrances.get(domain.programme)
        if domain is None or remembrance is None or account.unlinked_at is not None:
            continue
        key = command.vault.person_key(domain.programme, rules.year_of(at), account.blind_index)
        yield PersonKey(partitions[account.blind_index], key, rules.kept_until(remembrance, at))


def forget(state: State, command: ForgetPersons, moment: Moment[Config]) -> Decided:
    """Drop what is over; of what was remembered anew since, nothing."""
    found = map(state.privacy.person_key, command.person_keys)
    over = tuple(kept for kept in found if kept is not None and kept.kept_until <= moment.at)
    return Decision(Forgotten(over), bytes)


def is_erased(state: State, member_ids: Iterable[UUID]) -> bool:
    """Whether one of these members was erased."""
    return any(member.status is Status.ERASED for member in map(state.member, member_ids) if member is not None)
