"""What is exported of how a member is known: its identifiers, and who looked for it by them."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.instants import timestamp
from services.identity.identifiers.values import IDENTIFIER
from services.identity.privacy import queries
from services.identity.values import Config, Member
from services.identity.vault import Box

PAGE = 500
"""Records that are read together."""
LOOKUP = "lookup"
"""The prefix of look-ups in an export; nobody asks for one by its ID."""
NO_ID = UUID(int=0)
"""Before every ID."""


async def identifiers(platform: Platform[Config], member: Member, box: Box) -> AsyncIterator[dict[str, object]]:
    """All that were added to a member, with their values in clear; one that was removed has none any more."""
    after = NO_ID
    while page := await queries.page_of_identifiers(platform.pool, member.partition, member.member_id, after, PAGE):
        for row in page:
            after = row["identifier_id"]
            value = box.open(row["value"], after.bytes).decode() if row["value"] else None
            yield _said(
                identifier_id=ids.encode(IDENTIFIER, after),
                type=row["type"],
                value=value,
                demoted=row["is_demoted"],
                verified_at=row["verified_at"],
                first_seen_at=row["first_seen_at"],
                last_seen_at=row["last_seen_at"],
                removed_at=row["removed_at"],
            )


async def lookups(platform: Platform[Config], member: Member) -> AsyncIterator[dict[str, object]]:
    """Who looked for somebody by an identifier and was led to this member. They lie where the values do."""
    for partition in range(platform.settings.partitions):
        after = NO_ID
        while page := await queries.page_of_lookups(platform.pool, partition, member.member_id, after, PAGE):
            for row in page:
                after = row["lookup_id"]
                yield _said(
                    lookup_id=ids.encode(LOOKUP, after),
                    type=row["type"],
                    caller=row["caller"],
                    looked_up_at=row["looked_up_at"],
                )


def _said(**fields: object) -> dict[str, object]:
    """Fields of a record: those that say something."""
    return {name: _plain(value) for name, value in fields.items() if value is not None}


def _plain(value: object) -> object:
    return timestamp(value).ToJsonString() if isinstance(value, datetime) else value
