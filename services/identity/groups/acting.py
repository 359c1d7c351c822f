"""Who may do something to a group."""

from uuid import UUID

from services.chassis.errors import Rejection
from services.identity import rules as identity_rules
from services.identity.groups import errors, rules
from services.identity.groups.values import Group, Right
from services.identity.state import State


def acted_on(state: State, group_id: UUID, acting_id: UUID | None, right: Right) -> Group | Rejection:
    """The group, if who acts may do this to it; None is an operator, whose permission the servicer has checked."""
    group = state.groups.group(group_id)
    refusal = rules.not_active(group)
    if refusal is not None or group is None:
        return refusal or errors.GROUP_UNKNOWN
    if acting_id is None:
        return group
    seat, member = state.groups.seat(group_id, acting_id), state.member(acting_id)
    if member is not None and seat is not None:
        refusal = identity_rules.not_active(member.status)
    kind = state.config.group_kinds.get(group.kind)
    return refusal or rules.right_missing(kind, group, seat, right) or group
