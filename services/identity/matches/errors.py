"""Every way matches are refused beside those of identity; mirrors `tessera.identity.v1.ErrorReason`."""

from grpc import StatusCode

from services.chassis.errors import Rejection

MATCH_UNKNOWN = Rejection("MATCH_UNKNOWN", "no match has this ID", code=StatusCode.NOT_FOUND)


def match_merged(merge_id: str) -> Rejection:
    """The two are one member."""
    return Rejection(
        "MATCH_MERGED",
        f"the two are one member, by {merge_id}: unmerge them instead",
        metadata={"merge_id": merge_id},
    )
