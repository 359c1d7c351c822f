"""What merges tell the others: pseudonymous IDs and domains, nothing personal."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.chassis.clock import to_microseconds
from services.identity.merges.values import Merge, Unmerge
from services.identity.values import Account
from tessera.identity.v1 import event_pb2 as pb


def member_merged(merge: Merge, accounts: Iterable[Account]) -> bytes:
    """A member was merged into another."""
    event = pb.MemberMerged(
        merge_id=merge.merge_id.bytes,
        survivor_id=merge.survivor_id.bytes,
        merged_id=merge.merged_id.bytes,
        absorbed_ids=[absorbed.member_id.bytes for absorbed in merge.absorbed],
        accounts=_moved(accounts),
        merged_at_us=to_microseconds(merge.merged_at),
        cause=merge.cause,
    )
    return pb.Event(member_merged=event).SerializeToString()


def member_unmerged(
    unmerge: Unmerge,
    merged_at: datetime,
    accounts: Iterable[Account],
    staying: Iterable[UUID],
    absorbed_ids: Iterable[UUID],
) -> bytes:
    """A member takes back what is its own."""
    event = pb.MemberUnmerged(
        unmerge_id=unmerge.unmerge_id.bytes,
        merge_id=unmerge.merge_id.bytes,
        holder_id=unmerge.holder_id.bytes,
        member_id=unmerge.member_id.bytes,
        absorbed_ids=[each.bytes for each in absorbed_ids],
        accounts=_moved(accounts),
        whole=unmerge.whole,
        unmerged_at_us=to_microseconds(unmerge.unmerged_at),
        merged_at_us=to_microseconds(merged_at),
        cause=unmerge.cause,
        staying_account_ids=[each.bytes for each in staying],
    )
    return pb.Event(member_unmerged=event).SerializeToString()


def member_redirected(member_id: UUID, leads_to: UUID) -> bytes:
    """An ID leads to somebody."""
    event = pb.MemberRedirected(member_id=member_id.bytes, leads_to=leads_to.bytes)
    return pb.Event(member_redirected=event).SerializeToString()


def _moved(accounts: Iterable[Account]) -> list[pb.MovedAccount]:
    return [pb.MovedAccount(account_id=account.account_id.bytes, domain=account.domain) for account in accounts]
