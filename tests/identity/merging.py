"""Requests about merges, in the words of the domain."""

from typing import Any

from tessera.identity.v1 import merge_pb2 as pb
from tests.identity.builders import request_id
from tests.support.suite import Suite


def merge_request(survivor_id: str, merged_id: str, **fields: Any) -> pb.MergeMembersRequest:
    """A request to merge two members."""
    fields.setdefault("request_id", request_id())
    fields.setdefault("cause", "same-person")
    return pb.MergeMembersRequest(survivor_id=survivor_id, merged_id=merged_id, **fields)


async def merge(suite: Suite, survivor_id: str, merged_id: str, **fields: Any) -> Any:
    """Merge two members."""
    return await suite.identity.MergeMembers(merge_request(survivor_id, merged_id, **fields))


async def unmerge(suite: Suite, merge_id: str, *account_ids: str, **fields: Any) -> Any:
    """Give back some accounts of a merge, or all that is left."""
    fields.setdefault("request_id", request_id())
    fields.setdefault("cause", "mistake")
    return await suite.identity.UnmergeMember(
        pb.UnmergeMemberRequest(merge_id=merge_id, account_ids=account_ids, **fields)
    )


async def merges_of(suite: Suite, member_id: str) -> list[Any]:
    """The merges of a member."""
    return list((await suite.identity.ListMerges(pb.ListMergesRequest(member_id=member_id))).merges)
