"""Everything that identity holds on a member, record by record, as the person whose data it is may read it."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from services.chassis.app import Platform
from services.chassis.instants import timestamp
from services.identity import wire as identity_wire
from services.identity.groups import queries as group_queries
from services.identity.groups import wire as group_wire
from services.identity.privacy import queries, wire
from services.identity.values import ACCOUNT, Config, Member
from services.identity.vault import Box
from services.identity.wire import SERVICE
from tessera.identity.v1 import privacy_pb2 as pb

PAGE = 500
"""Records that are read together: so many are in memory at most, whatever a member has."""
NO_ID = UUID(int=0)
"""Before every ID."""


async def records_of(platform: Platform[Config], member: Member, box: Box) -> AsyncIterator[pb.ExportMemberResponse]:
    """The member, then its accounts, seats, invitations and decisions, the former ones among them."""
    yield _record("member", identity_wire.member_message(member, box))
    async for account in _accounts(platform, member, box):
        yield account
    async for seat in _seats(platform, member):
        yield seat
    async for invitation in _invitations(platform, member):
        yield invitation
    async for consent in _consents(platform, member):
        yield consent


async def _accounts(platform: Platform[Config], member: Member, box: Box) -> AsyncIterator[pb.ExportMemberResponse]:
    after = NO_ID
    while page := await queries.page_of_accounts(platform.pool, member.partition, member.member_id, after, PAGE):
        for account in page:
            fields = _fields(identity_wire.account_message(account, box if account.external_id else None))
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


async def _consents(platform: Platform[Config], member: Member) -> AsyncIterator[pb.ExportMemberResponse]:
    after = ("", "", 0)
    while page := await queries.page_of_consents(platform.pool, member.partition, member.member_id, after, PAGE, None):
        for consent in page:
            yield _record("consent", wire.consent_message(consent))
        after = (page[-1].domain, page[-1].purpose, page[-1].number)


def _record(kind: str, message: Message) -> pb.ExportMemberResponse:
    return pb.ExportMemberResponse(service=SERVICE, kind=kind, record_json=_json(_fields(message)))


def _fields(message: Message) -> dict[str, object]:
    return MessageToDict(message, preserving_proto_field_name=True)


def _json(fields: dict[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False)
