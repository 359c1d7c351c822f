"""Merges and unmerges as identity tells them, to points alone."""

from collections.abc import Sequence
from uuid import UUID

from services.chassis import ids
from services.chassis.feed_batch import FeedBatch, FeedGroup, FollowedRecord
from services.chassis.verdicts import OK
from services.points.heard import MergeHeard, MovedAccount, UnmergeHeard
from tests.points.builders import PARTITIONS, Member, Shop


def _partition(member_id: UUID) -> int:
    return ids.routing_of(member_id) % PARTITIONS


async def _tell(shop: Shop, told_in: UUID, event: MergeHeard | UnmergeHeard, others: Sequence[UUID]) -> None:
    """Both halves arrive: the event in one partition, nothing in those of the others."""
    partitions = {_partition(told_in), *map(_partition, others)}
    parts = []
    for partition in sorted(partitions):
        position = shop.heard["identity", partition] = shop.heard.get(("identity", partition), 0) + 1
        events = [event] if partition == _partition(told_in) else []
        parts.append(FeedBatch("identity", partition, [FollowedRecord(position, events)]))
    command = FeedGroup(tuple(parts)) if len(parts) > 1 else parts[0]
    (outcome,) = await shop.suite.lanes("points").submit([command])
    if isinstance(outcome, BaseException):
        raise outcome
    assert outcome.code == OK, outcome


async def together(shop: Shop, *events: MergeHeard | UnmergeHeard) -> None:
    """All of it arrives at once: each event in the partition of who has what is moved, nothing in the others."""
    concerned = {each for event in events for each in members_of(event)}
    parts = []
    for partition in sorted(set(map(_partition, concerned))):
        own = [event for event in events if _partition(members_of(event)[0]) == partition]
        position = shop.heard.get(("identity", partition), 0)
        records = [FollowedRecord(position + number, [event]) for number, event in enumerate(own, 1)]
        shop.heard["identity", partition] = position + len(own)
        parts.append(FeedBatch("identity", partition, records or [FollowedRecord(position + 1, [])]))
        shop.heard["identity", partition] = parts[-1].last_position
    (outcome,) = await shop.suite.lanes("points").submit([FeedGroup(tuple(parts))])
    if isinstance(outcome, BaseException):
        raise outcome
    assert outcome.code == OK, outcome


def members_of(event: MergeHeard | UnmergeHeard) -> tuple[UUID, ...]:
    """Who is concerned, first the one in whose feed it is told."""
    if isinstance(event, MergeHeard):
        return (event.survivor_id, *event.merged_ids)
    return (event.holder_id, event.member_id, *event.absorbed_ids)


async def merge(
    shop: Shop, survivor: Member, merged: Member, *absorbed: Member, accounts: Sequence[Member] = ()
) -> UUID:
    """A member is merged into another, with those that had been merged into it."""
    event = merge_heard(survivor, merged, *absorbed, accounts=accounts)
    await _tell(shop, survivor.uuid, event, event.merged_ids)
    return event.merge_id


def merge_heard(survivor: Member, merged: Member, *absorbed: Member, accounts: Sequence[Member] = ()) -> MergeHeard:
    """What identity tells of a merge."""
    merge_id = ids.new_id(ids.routing_of(survivor.uuid))
    coming = tuple(MovedAccount(one.account_uuid, one.domain) for one in accounts or (merged, *absorbed))
    merged_ids = tuple({one.uuid: None for one in (merged, *absorbed)})
    return MergeHeard(merge_id, survivor.uuid, merged_ids, coming)


async def unmerge(
    shop: Shop,
    holder: Member,
    member: Member,
    *absorbed: Member,
    accounts: Sequence[Member] = (),
    staying: Sequence[Member] = (),
    whole: bool = True,
) -> None:
    """A member takes back what is its own, or what came through some accounts."""
    event = unmerge_heard(holder, member, *absorbed, accounts=accounts, staying=staying, whole=whole)
    await _tell(shop, holder.uuid, event, (member.uuid, *event.absorbed_ids))


def unmerge_heard(
    holder: Member,
    member: Member,
    *absorbed: Member,
    accounts: Sequence[Member] = (),
    staying: Sequence[Member] = (),
    whole: bool = True,
) -> UnmergeHeard:
    """What identity tells of an unmerge."""
    going = accounts or (member, *absorbed)
    return UnmergeHeard(
        unmerge_id=ids.new_id(ids.routing_of(holder.uuid)),
        holder_id=holder.uuid,
        member_id=member.uuid,
        absorbed_ids=tuple(one.uuid for one in absorbed),
        accounts=tuple(MovedAccount(one.account_uuid, one.domain) for one in going),
        staying=tuple(one.account_uuid for one in staying),
        whole=whole,
    )
