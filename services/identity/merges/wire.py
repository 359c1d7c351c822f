"""Messages and values of merges, one made of the other. Nothing in them is personal."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from services.chassis import ids
from services.chassis.instants import timestamp
from services.identity.groups.values import SEAT
from services.identity.merges.values import MERGE, UNMERGE, Merge, Unmerge
from services.identity.values import ACCOUNT, MEMBER
from services.identity.wire import Place, position
from tessera.identity.v1 import merge_pb2 as pb


def merge_message(merge: Merge, unmerges: Sequence[Unmerge] = ()) -> pb.Merge:
    """A merge, and what was given back of it."""
    message = pb.Merge(
        merge_id=ids.encode(MERGE, merge.merge_id),
        survivor_id=ids.encode(MEMBER, merge.survivor_id),
        merged_id=ids.encode(MEMBER, merge.merged_id),
        cause=merge.cause,
        merged_by=merge.merged_by,
        merged_at=timestamp(merge.merged_at),
        account_ids=_accounts(merge.account_ids),
        absorbed_ids=[ids.encode(MEMBER, absorbed.member_id) for absorbed in merge.absorbed],
        seats=[
            pb.MovedSeat(ended_seat_id=ids.encode(SEAT, moved.ended), given_seat_id=ids.encode(SEAT, moved.given))
            for moved in merge.seats
        ],
        unmerges=map(unmerge_message, unmerges),
    )
    if merge.undone_at is not None:
        message.undone_at.CopyFrom(timestamp(merge.undone_at))
    return message


def unmerge_message(unmerge: Unmerge) -> pb.Unmerge:
    """What was given back."""
    return pb.Unmerge(
        unmerge_id=ids.encode(UNMERGE, unmerge.unmerge_id),
        merge_id=ids.encode(MERGE, unmerge.merge_id),
        holder_id=ids.encode(MEMBER, unmerge.holder_id),
        member_id=ids.encode(MEMBER, unmerge.member_id),
        account_ids=_accounts(unmerge.account_ids),
        whole=unmerge.whole,
        cause=unmerge.cause,
        unmerged_by=unmerge.unmerged_by,
        unmerged_at=timestamp(unmerge.unmerged_at),
    )


def merged_answer(merge: Merge, place: Place) -> bytes:
    """Two members are one. A dry run makes no merge, so there is no ID to tell."""
    answer = pb.MergeMembersResponse(merge=merge_message(merge))
    if place is None:
        answer.merge.merge_id = ""
        answer.merge.ClearField("seats")
    else:
        answer.position.CopyFrom(position(place))
    return answer.SerializeToString()


def unmerged_answer(unmerge: Unmerge, place: Place) -> bytes:
    """A member has its own again."""
    answer = pb.UnmergeMemberResponse(unmerge=unmerge_message(unmerge), changed=True)
    if place is None:
        answer.unmerge.unmerge_id = ""
    else:
        answer.position.CopyFrom(position(place))
    return answer.SerializeToString()


def nothing_to_unmerge() -> bytes:
    """All that is asked for was given back before."""
    return pb.UnmergeMemberResponse().SerializeToString()


def _accounts(account_ids: Iterable[UUID]) -> list[str]:
    return [ids.encode(ACCOUNT, account_id) for account_id in sorted(account_ids)]
