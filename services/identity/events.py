"""What identity tells the others: pseudonymous IDs, domains and states, nothing personal."""

from datetime import datetime

from services.chassis.clock import to_microseconds
from services.identity.values import Account, Member
from services.identity.wire import MEMBER_STATUSES
from tessera.identity.v1 import event_pb2 as pb


def member_enrolled(member: Member) -> bytes:
    """A member was enrolled."""
    event = pb.MemberEnrolled(member_id=member.member_id.bytes, enrolled_at_us=to_microseconds(member.enrolled_at))
    return pb.Event(member_enrolled=event).SerializeToString()


def account_linked(account: Account) -> bytes:
    """An account was linked to its member."""
    event = pb.AccountLinked(
        account_id=account.account_id.bytes,
        member_id=account.holder_id.bytes,
        domain=account.domain,
        linked_at_us=to_microseconds(account.linked_at),
    )
    return pb.Event(account_linked=event).SerializeToString()


def account_unlinked(account: Account) -> bytes:
    """An account was taken from its member."""
    event = pb.AccountUnlinked(
        account_id=account.account_id.bytes,
        member_id=account.holder_id.bytes,
        unlinked_at_us=to_microseconds(account.unlinked_at),
    )
    return pb.Event(account_unlinked=event).SerializeToString()


def member_status_changed(member: Member, at: datetime, cause: str) -> bytes:
    """A member has the status that it has now."""
    event = pb.MemberStatusChanged(
        member_id=member.member_id.bytes,
        status=MEMBER_STATUSES[member.status],
        changed_at_us=to_microseconds(at),
        cause=cause,
    )
    return pb.Event(member_status_changed=event).SerializeToString()
