"""Messages and values of identity, one made of the other.

Answers to writes are kept for retries, so nothing personal is in them: the servicer adds the external id that the
request itself brought.
"""

import json
from collections.abc import Iterable, Mapping

from services.chassis import ids
from services.chassis.instants import timestamp
from services.identity.rules import StatusChange
from services.identity.values import ACCOUNT, MEMBER, Account, Member, Route, Status
from services.identity.vault import Box
from tessera.identity.v1 import identity_service_pb2 as pb
from tessera.type.v1 import position_pb2

SERVICE = "identity"

MEMBER_STATUSES = {
    Status.ACTIVE: pb.MEMBER_STATUS_ACTIVE,
    Status.SUSPENDED: pb.MEMBER_STATUS_SUSPENDED,
    Status.CLOSED: pb.MEMBER_STATUS_CLOSED,
    Status.MERGED: pb.MEMBER_STATUS_MERGED,
    Status.ERASED: pb.MEMBER_STATUS_ERASED,
}

StatusResponse = pb.SuspendMemberResponse | pb.ReinstateMemberResponse | pb.CloseMemberResponse
STATUS_RESPONSES: Mapping[StatusChange, type[StatusResponse]] = {
    StatusChange.SUSPEND: pb.SuspendMemberResponse,
    StatusChange.REINSTATE: pb.ReinstateMemberResponse,
    StatusChange.CLOSE: pb.CloseMemberResponse,
}

Place = tuple[int, int] | None
"""A partition and a position in it; None when nothing was written."""


def route_reply(route: Route) -> bytes:
    """What is sent to who resolves a name: a bulk answer of one result.

    Serialised messages that stand one behind the other are one message, so these make up an answer to many.
    """
    return pb.BulkResolveAccountsResponse(
        results=[pb.BulkResolveAccountsResponse.Result(response=_resolved(route))]
    ).SerializeToString()


def known_answer(route: Route) -> bytes:
    """A name that leads to a member already."""
    return _resolved(route).SerializeToString()


def enrolled_answer(route: Route, place: Place) -> bytes:
    """A name that leads to a new member. A dry run enrols nobody, so there are no IDs to tell."""
    if place is None:
        return pb.ResolveAccountResponse(created=True, status=MEMBER_STATUSES[route.status]).SerializeToString()
    answer = _resolved(route)
    answer.created = True
    answer.position.CopyFrom(position(place))
    return answer.SerializeToString()


def _resolved(route: Route) -> pb.ResolveAccountResponse:
    assert route.member_id is not None
    assert route.account_id is not None
    return pb.ResolveAccountResponse(
        member_id=ids.encode(MEMBER, route.member_id),
        account_id=ids.encode(ACCOUNT, route.account_id),
        status=MEMBER_STATUSES[route.status],
    )


def linked_answer(account: Account, place: Place) -> bytes:
    """A new account. A dry run makes none, so there is no ID to tell."""
    answer = pb.LinkAccountResponse(account=_account(account), created=True)
    if place is None:
        answer.account.account_id = ""
    else:
        answer.position.CopyFrom(position(place))
    return answer.SerializeToString()


def linked_before_answer(account: Account) -> bytes:
    """An account that was the member's already."""
    return pb.LinkAccountResponse(account=_account(account)).SerializeToString()


def unlinked_answer(account: Account, place: Place) -> bytes:
    """An account that is nobody's now."""
    answer = pb.UnlinkAccountResponse(member_id=ids.encode(MEMBER, account.holder_id))
    if place is not None:
        answer.position.CopyFrom(position(place))
    return answer.SerializeToString()


def status_answer(change: StatusChange, member: Member, place: Place) -> bytes:
    """A member with its new status."""
    answer = STATUS_RESPONSES[change](member=_member(member))
    if place is not None:
        answer.position.CopyFrom(position(place))
    return answer.SerializeToString()


def position(place: tuple[int, int]) -> position_pb2.Position:
    """Where something was committed."""
    return position_pb2.Position(service=SERVICE, partition=place[0], position=place[1])


def _member(member: Member) -> pb.Member:
    return pb.Member(
        member_id=ids.encode(MEMBER, member.member_id),
        status=MEMBER_STATUSES[member.status],
        enrolled_at=timestamp(member.enrolled_at),
        survivor_id="" if member.survivor_id is None else ids.encode(MEMBER, member.survivor_id),
    )


def _account(account: Account) -> pb.Account:
    return pb.Account(
        account_id=ids.encode(ACCOUNT, account.account_id),
        domain=account.domain,
        member_id=ids.encode(MEMBER, account.holder_id),
        verified=account.verified,
        linked_at=timestamp(account.linked_at),
    )


def attributes_text(attributes: Mapping[str, str]) -> bytes:
    """Attributes as the text that is sealed; empty when there are none."""
    return json.dumps(dict(attributes), sort_keys=True, ensure_ascii=False).encode() if attributes else b""


def member_message(member: Member, box: Box | None) -> pb.Member:
    """A member; with its attributes in clear where there is a box to open them."""
    message = _member(member)
    if box is not None:
        message.attributes.update(attributes_of(member, box))
    return message


def add_attributes(message: pb.Member, others: Iterable[Mapping[str, str]]) -> None:
    """What was known of members that were merged into this one, as far as it says nothing itself."""
    for attributes in others:
        for name, value in attributes.items():
            if name not in message.attributes:
                message.attributes[name] = value


def attributes_of(member: Member, box: Box) -> Mapping[str, str]:
    """A member's attributes in clear."""
    if not member.attributes:
        return {}
    attributes: dict[str, str] = json.loads(box.open(member.attributes, member.member_id.bytes))
    return attributes


def account_message(account: Account, box: Box | None) -> pb.Account:
    """An account; with its external id in clear where there is a box to open it."""
    message = _account(account)
    if box is not None:
        message.external_id = box.open(account.external_id, account.account_id.bytes).decode()
    return message
