"""Merges, unmerges and erasures as identity tells them, to a service that follows it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.clock import to_microseconds
from tessera.identity.v1 import event_pb2 as pb

Halves = Mapping[UUID, Sequence[bytes]]
"""What one transaction tells, by the member in whose partition it does."""


def _accounts(account_ids: Sequence[UUID], domain: str) -> list[pb.MovedAccount]:
    return [pb.MovedAccount(account_id=each.bytes, domain=domain) for each in account_ids]


def _redirected(member_id: UUID, leads_to: UUID) -> bytes:
    event = pb.MemberRedirected(member_id=member_id.bytes, leads_to=leads_to.bytes)
    return pb.Event(member_redirected=event).SerializeToString()


def merged(
    survivor_id: UUID,
    merged_id: UUID,
    at: datetime,
    account_ids: Sequence[UUID] = (),
    absorbed: Sequence[UUID] = (),
    *,
    domain: str = "grocery",
) -> Halves:
    """A member is merged into another, with those that had been merged into it."""
    event = pb.MemberMerged(
        merge_id=ids.new_id(ids.routing_of(survivor_id)).bytes,
        survivor_id=survivor_id.bytes,
        merged_id=merged_id.bytes,
        absorbed_ids=[each.bytes for each in absorbed],
        accounts=_accounts(account_ids, domain),
        merged_at_us=to_microseconds(at),
    )
    return {each: [_redirected(each, survivor_id)] for each in (merged_id, *absorbed)} | {
        survivor_id: [pb.Event(member_merged=event).SerializeToString()]
    }


def unmerged(
    holder_id: UUID,
    member_id: UUID,
    at: datetime,
    account_ids: Sequence[UUID] = (),
    absorbed: Sequence[UUID] = (),
    *,
    whole: bool = True,
    domain: str = "grocery",
) -> Halves:
    """A member takes back what came through some accounts; if whole, all that it had brought."""
    event = pb.MemberUnmerged(
        unmerge_id=ids.new_id(ids.routing_of(holder_id)).bytes,
        merge_id=ids.new_id(ids.routing_of(holder_id)).bytes,
        holder_id=holder_id.bytes,
        member_id=member_id.bytes,
        absorbed_ids=[each.bytes for each in absorbed],
        accounts=_accounts(account_ids, domain),
        whole=whole,
        unmerged_at_us=to_microseconds(at),
    )
    leads_to = {member_id: member_id} | dict.fromkeys(absorbed, member_id if whole else holder_id)
    return {holder_id: [pb.Event(member_unmerged=event).SerializeToString()]} | {
        each: [_redirected(each, to)] for each, to in leads_to.items()
    }


def erased(member_id: UUID, at: datetime) -> Halves:
    """A member is erased."""
    event = pb.MemberErased(member_id=member_id.bytes, erased_at_us=to_microseconds(at))
    return {member_id: [pb.Event(member_erased=event).SerializeToString()]}
