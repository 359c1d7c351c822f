"""Everything that identity holds on a member, record by record, as the person whose data it is may read it."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from services.chassis.app import Platform
from services.chassis.instants import timestamp
from services.chassis.partitions import partition_of
from services.identity import wire as identity_wire
from services.identity.groups import queries as group_queries
from services.identity.groups import wire as group_wire
from services.identity.matches import queries as match_queries
from services.identity.matches import wire as match_wire
from services.identity.merges import queries as merge_queries
from services.identity.merges import wire as merge_wire
from services.identity.privacy import known_by, queries, wire
from services.identity.values import ACCOUNT, Config, Member
from services.identity.vault import Box
from services.identity.wire import SERVICE
from tessera.identity.v1 import privacy_pb2 as pb

PAGE = 500
"""Records that are read together: so many are in memory at most, whatever a member has."""
NO_ID = UUID(int=0)
"""Before every ID."""


async def records_of(
    platform: Platform[Config], members: Sequence[Member], boxes: Mapping[UUID, Box]
) -> AsyncIterator[pb.ExportMemberResponse]:
    """A member and those that were merged into it: of each what it is, its accounts, seats, invitations, merges,
    decisions, identifiers, matches and who looked for it, the former ones among them."""
    for member in members:
        yield _record("member", identity_wire.member_message(member, boxes[member.member_id]))
        async for record in _records_of_one(platform, member, boxes):
            yield record


async def _records_of_one(
    platform: Platform[Config], member: Member, boxes: Mapping[UUID, Box]
) -> AsyncIterator[pb.ExportMemberResponse]:
    async for account in _accounts(platform, member, boxes):
        yield account
    async for seat in _seats(platform, member):
        yield seat
    async for invitation in _invitations(platform, member):
        yield invitation
    async for merge in _merges(platform, member):
        yield merge
    async for match in _matches(platform, member):
        yield match
    async for consent in _consents(platform, member):
        yield consent
    async for identifier in known_by.identifiers(platform, member, boxes[member.member_id]):
        yield _told("identifier", identifier)
    async for lookup in known_by.lookups(platform, member):
        yield _told("lookup", lookup)


async def _accounts(
    platform: Platform[Config], member: Member, boxes: Mapping[UUID, Box]
) -> AsyncIterator[pb.ExportMemberResponse]:
    after, partitions = NO_ID, platform.settings.partitions
    places = {member.partition, *(partition_of(home, partitions) for home in member.homes)}
    while page := await queries.page_of_accounts(platform.pool, places, member.member_id, after, PAGE):
        for account in page:
            fields = _fields(
                identity_wire.account_message(account, boxes.get(account.member_id) if account.external_id else None)
            )
            if account.unlinked_at is not None:
                fields["unlinked_at"] = timestamp(account.unlinked_at).ToJsonString()
            yield pb.ExportMemberResponse(service=SERVICE, kind=ACCOUNT, record_json=_json(fields))
        after = page[-1].account_id


async def _seats(platform: Platform[Config], member: Member) -> AsyncIterator[pb.ExportMemberResponse]:
    after = NO_ID
    while page := await group_queries.page_of_seats(
        platform.pool, member.partition, member.member_id, after, PAGE, include_former=True
    ):
        for seat in page:
            yield _record("seat", group_wire.seat_message(seat))
        after = page[-1].seat_id


async def _invitations(platform: Platform[Config], member: Member) -> AsyncIterator[pb.ExportMemberResponse]:
    after, now = NO_ID, await platform.clock.now()
    while page := await group_queries.page_of_invitations(
        platform.pool, member.partition, member.member_id, after, PAGE, 0, now
    ):
        for invitation in page:
            yield _record("invitation", group_wire.invitation_message(invitation, invitation.status))
        after = page[-1].invitation_id


async def _merges(platform: Platform[Config], member: Member) -> AsyncIterator[pb.ExportMemberResponse]:
    after = NO_ID
    while page := await merge_queries.page_of_merges(platform.pool, member.partition, member.member_id, after, PAGE):
        found = [merge.merge_id for merge in page]
        unmerges = await merge_queries.unmerges_of(platform.pool, member.partition, member.member_id, found)
        for merge in page:
            yield _record(
                "merge", merge_wire.merge_message(merge, [u for u in unmerges if u.merge_id == merge.merge_id])
            )
        after = found[-1]


async def _matches(platform: Platform[Config], member: Member) -> AsyncIterator[pb.ExportMemberResponse]:
    after = NO_ID
    while page := await match_queries.page_of_members_matches(
        platform.pool, [member.partition], [member.member_id], after, PAGE, "", 0
    ):
        for match in page:
            yield _record("match", match_wire.own_half(match, member.member_id))
        after = page[-1].match_id


async def _consents(platform: Platform[Config], member: Member) -> AsyncIterator[pb.ExportMemberResponse]:
    after = ("", "", 0)
    while page := await queries.page_of_consents(platform.pool, member.partition, member.member_id, after, PAGE, None):
        for consent in page:
            yield _record("consent", wire.consent_message(consent))
        after = (page[-1].domain, page[-1].purpose, page[-1].number)


def _told(kind: str, fields: dict[str, object]) -> pb.ExportMemberResponse:
    return pb.ExportMemberResponse(service=SERVICE, kind=kind, record_json=_json(fields))


def _record(kind: str, message: Message) -> pb.ExportMemberResponse:
    return _told(kind, _fields(message))


def _fields(message: Message) -> dict[str, object]:
    return MessageToDict(message, preserving_proto_field_name=True)


def _json(fields: dict[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False)
