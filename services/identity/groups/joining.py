"""How members come into groups: groups are founded, members are asked, and join or do not."""

from services.chassis import ids
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.identity import errors as identity_errors
from services.identity import rules as identity_rules
from services.identity.groups import errors, in_common, rules, wire
from services.identity.groups.acting import acted_on
from services.identity.groups.changes import NOTHING, Changed
from services.identity.groups.commands import (
    AcceptInvitation,
    CancelInvitation,
    CreateGroup,
    DeclineInvitation,
    ExpireInvitation,
    InviteToGroup,
)
from services.identity.groups.values import (
    INVITATION,
    OWNER,
    Group,
    GroupKind,
    GroupStatus,
    Invitation,
    InvitationStatus,
    Role,
    Seat,
)
from services.identity.state import State
from services.identity.values import Config, Member


def create(state: State, command: CreateGroup, moment: Moment[Config]) -> Decided:
    """Found a group."""
    member = _active(state, command)
    if isinstance(member, Rejection):
        return member
    kind = state.config.group_kinds.get(command.kind)
    if kind is None:
        return errors.group_kind_unknown(command.kind)
    role = rules.role_of(kind, kind.code, OWNER, command.label, command.cost_centre)
    if isinstance(role, Rejection):
        return role
    held, left = state.groups.seats(command.member_id), state.groups.left(command.member_id)
    refusal = rules.join_refusal(kind, None, held, left, moment.at)
    if refusal is not None:
        return refusal
    had = in_common.hashes(state, command, member, kind)
    if not isinstance(had, list):
        return had
    if not had:
        return in_common.differs(kind)
    group, seat = _founded(command, kind, had[0], moment)
    changed = Changed(group, ((seat, group.shares),))
    return Decision(changed, lambda: wire.created_answer(group, seat, moment, dry=command.validate_only))


def _founded(command: CreateGroup, kind: GroupKind, common: bytes, moment: Moment[Config]) -> tuple[Group, Seat]:
    group = Group(
        group_id=command.group_id,
        kind=kind.code,
        owner_id=command.member_id,
        status=GroupStatus.ACTIVE,
        shares=" ".join(kind.shares),
        same_attribute=kind.same_attribute,
        same_identifier=kind.same_identifier,
        common_index=common,
        created_at=moment.at,
        dissolved_at=None,
    )
    seat = Seat(
        seat_id=command.seat_id,
        group_id=command.group_id,
        member_id=command.member_id,
        kind=kind.code,
        role=OWNER,
        label=command.label,
        cost_centre=command.cost_centre,
        joined_at=moment.at,
        role_since=moment.at,
        left_at=None,
    )
    return group, seat


def invite(state: State, command: InviteToGroup, moment: Moment[Config]) -> Decided:
    """Ask a member to join."""
    group = acted_on(state, command.group_id, command.acting_id, "invite")
    if isinstance(group, Rejection):
        return group
    kind = state.config.group_kinds.get(group.kind)
    role = rules.role_of(kind, group.kind, command.role, command.label, command.cost_centre)
    if isinstance(role, Rejection) or kind is None:
        return role if isinstance(role, Rejection) else errors.group_kind_unknown(group.kind)
    refusal = _cannot_be_asked(state, command, role, moment)
    if refusal is not None:
        return refusal
    invitation = Invitation(
        invitation_id=command.invitation_id,
        group_id=command.group_id,
        member_id=command.member_id,
        kind=group.kind,
        role=command.role,
        label=command.label,
        cost_centre=command.cost_centre,
        invited_by=command.acting_id,
        status=InvitationStatus.OPEN,
        created_at=moment.at,
        expires_at=rules.expires_at(kind, moment.at),
        closed_at=None,
    )
    changed = Changed(invitations=(invitation,))
    return Decision(changed, lambda: wire.invited_answer(invitation, moment, dry=command.validate_only))


def _cannot_be_asked(state: State, command: InviteToGroup, role: Role, moment: Moment[Config]) -> Rejection | None:
    """Why a member cannot be asked. Whether it may join is not looked at: that is nothing to tell to others."""
    member = _active(state, command)
    if isinstance(member, Rejection):
        return member
    if state.groups.seat(command.group_id, command.member_id) is not None:
        return errors.GROUP_MEMBER_ALREADY
    asked = state.groups.asked(command.group_id)
    before = asked.get(command.member_id)
    if before is not None and rules.not_open(before, moment.at) is None:
        return errors.invitation_exists(ids.encode(INVITATION, before.invitation_id))
    return rules.too_many_asked(asked.values(), moment.at) or rules.no_seat_free(
        role, state.groups.seats(command.group_id)
    )


def accept(state: State, command: AcceptInvitation, moment: Moment[Config]) -> Decided:
    """Join."""
    invitation = _open(state, command, moment)
    if isinstance(invitation, Rejection):
        return invitation
    group, member = state.groups.group(invitation.group_id), _active(state, command)
    if isinstance(member, Rejection) or group is None:
        return member if isinstance(member, Rejection) else errors.GROUP_UNKNOWN
    refusal = _cannot_join(state, invitation, group, moment)
    if refusal is not None:
        return refusal
    had = in_common.hashes(state, command, member, group)
    if not isinstance(had, list):
        return had
    if group.common_index not in had:
        return in_common.differs(group)
    seat = Seat(
        seat_id=command.seat_id,
        group_id=invitation.group_id,
        member_id=invitation.member_id,
        kind=invitation.kind,
        role=invitation.role,
        label=invitation.label,
        cost_centre=invitation.cost_centre,
        joined_at=moment.at,
        role_since=moment.at,
        left_at=None,
    )
    accepted = invitation._replace(status=InvitationStatus.ACCEPTED, closed_at=moment.at)
    changed = Changed(seats=((seat, group.shares),), invitations=(accepted,))
    return Decision(changed, lambda: wire.accepted_answer(seat, moment, dry=command.validate_only))


def _cannot_join(state: State, invitation: Invitation, group: Group, moment: Moment[Config]) -> Rejection | None:
    """Why a member that was asked cannot join now."""
    kind = state.config.group_kinds.get(invitation.kind)
    role = rules.role_of(kind, invitation.kind, invitation.role, invitation.label, invitation.cost_centre)
    if isinstance(role, Rejection) or kind is None:
        return role if isinstance(role, Rejection) else errors.group_kind_unknown(invitation.kind)
    held, left = state.groups.seats(invitation.member_id), state.groups.left(invitation.member_id)
    return rules.join_refusal(kind, group.group_id, held, left, moment.at) or rules.no_seat_free(
        role, state.groups.seats(group.group_id)
    )


def decline(state: State, command: DeclineInvitation, moment: Moment[Config]) -> Decided:
    """Do not join."""
    invitation = _open(state, command, moment)
    if isinstance(invitation, Rejection):
        return invitation
    declined = invitation._replace(status=InvitationStatus.DECLINED, closed_at=moment.at)
    changed = Changed(invitations=(declined,))
    return Decision(changed, lambda: wire.declined_answer(declined, moment, dry=command.validate_only))


def cancel(state: State, command: CancelInvitation, moment: Moment[Config]) -> Decided:
    """Take an invitation back."""
    invitation = state.groups.invitation(command.invitation_id)
    refusal = rules.not_open(invitation, moment.at)
    if refusal is not None or invitation is None:
        return refusal or errors.INVITATION_UNKNOWN
    group = acted_on(state, command.group_id, command.acting_id, "invite")
    if isinstance(group, Rejection):
        return group
    cancelled = invitation._replace(status=InvitationStatus.CANCELLED, closed_at=moment.at)
    changed = Changed(invitations=(cancelled,))
    return Decision(changed, lambda: wire.cancelled_answer(cancelled, moment, dry=command.validate_only))


def expire(state: State, command: ExpireInvitation, moment: Moment[Config]) -> Decided:
    """Book what time has done to an invitation; twice is once."""
    invitation = state.groups.invitation(command.invitation_id)
    if (
        invitation is None
        or invitation.status is not InvitationStatus.OPEN
        or rules.status_at(invitation, moment.at) is not InvitationStatus.EXPIRED
    ):
        return Decision(NOTHING, bytes)
    expired = invitation._replace(status=InvitationStatus.EXPIRED, closed_at=invitation.expires_at)
    return Decision(Changed(invitations=(expired,)), bytes)


def _open(
    state: State, command: AcceptInvitation | DeclineInvitation, moment: Moment[Config]
) -> Invitation | Rejection:
    """The invitation, if it can be accepted and declined, and by this member."""
    invitation = state.groups.invitation(command.invitation_id)
    if invitation is None or invitation.member_id != command.member_id:
        return errors.INVITATION_UNKNOWN
    return rules.not_open(invitation, moment.at) or invitation


def _active(state: State, command: CreateGroup | InviteToGroup | AcceptInvitation) -> Member | Rejection:
    """The member that is to join, if it may be served."""
    member = state.member(command.member_id)
    if member is None:
        return identity_errors.MEMBER_UNKNOWN
    return identity_rules.not_active(member.status) or member
