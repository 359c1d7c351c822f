"""Merges and unmerges as identity tells them, to benefits alone."""

from collections.abc import Sequence

from services.benefits.events import parse_identity_event
from services.chassis import ids
from services.chassis.feed_batch import FeedBatch, FeedGroup, FollowedRecord
from services.chassis.verdicts import Verdict
from tessera.identity.v1 import event_pb2 as pb
from tests.benefits.builders import Benefits, raw


async def _tell(benefits: Benefits, told_in: str, event: pb.Event, others: Sequence[str]) -> None:
    """Both halves arrive: the event in one partition, where IDs lead in those of the others."""
    mask = benefits.platform.settings.partitions - 1
    home, *further = (ids.routing_of(raw(member)) & mask for member in (told_in, *others))
    parsed = parse_identity_event(event.SerializeToString())
    parts = []
    for partition in sorted({home, *further}):
        position = benefits.next_position("identity", partition)
        parts.append(
            FeedBatch("identity", partition, [FollowedRecord(position, [parsed] if partition == home else [])])
        )
    command = FeedGroup(tuple(parts)) if len(parts) > 1 else parts[0]
    (outcome,) = await benefits.platform.lanes.submit([command])
    assert isinstance(outcome, Verdict), outcome
    assert outcome.code == 0, outcome.status()


def _accounts(accounts: Sequence[str]) -> list[pb.MovedAccount]:
    return [pb.MovedAccount(account_id=raw(account).bytes, domain="cafe") for account in accounts]


async def merge(benefits: Benefits, survivor: str, merged: str, *absorbed: str, accounts: Sequence[str] = ()) -> str:
    """A member is merged into another, with those that had been merged into it, and accounts of theirs."""
    merge_id = ids.new_id(ids.routing_of(raw(survivor)))
    event = pb.MemberMerged(
        merge_id=merge_id.bytes,
        survivor_id=raw(survivor).bytes,
        merged_id=raw(merged).bytes,
        absorbed_ids=[raw(member).bytes for member in absorbed],
        accounts=_accounts(accounts),
    )
    await _tell(benefits, survivor, pb.Event(member_merged=event), (merged, *absorbed))
    return ids.encode("merge", merge_id)


async def unmerge(
    benefits: Benefits,
    merge_id: str,
    holder: str,
    member: str,
    *absorbed: str,
    accounts: Sequence[str] = (),
    whole: bool = True,
) -> None:
    """A member takes back what is its own, or what came through some accounts."""
    event = pb.MemberUnmerged(
        unmerge_id=ids.new_id(ids.routing_of(raw(holder))).bytes,
        merge_id=raw(merge_id).bytes,
        holder_id=raw(holder).bytes,
        member_id=raw(member).bytes,
        absorbed_ids=[raw(each).bytes for each in absorbed],
        accounts=_accounts(accounts),
        whole=whole,
    )
    await _tell(benefits, holder, pb.Event(member_unmerged=event), (member, *absorbed))
