"""Who has an identifier: read without a lock, and who asked is kept."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.errors import Rejection
from services.identity.identifiers import queries, rules
from services.identity.identifiers.commands import value_routing
from services.identity.identifiers.values import Holder, IdentifierType, ValueIndex
from services.identity.matches import rules as match_rules
from services.identity.matches.values import MAX_HOLDERS
from services.identity.people import People
from services.identity.values import Config


async def find(
    platform: Platform[Config], people: People, kind: IdentifierType, indexes: Sequence[ValueIndex], at: datetime
) -> tuple[Holder, UUID] | Rejection:
    """The holder of a value by which a member is found, and the member that its ID means."""
    places = {_place(platform, index) for index in indexes}
    holders = await queries.find_holders(platform.pool, list(places), [index.blind_index for index in indexes])
    leading = rules.leading(kind, holders, at)
    members = await people.find({holder.member_id for holder in leading})
    return rules.found((holder, members[holder.member_id].survivor_id or holder.member_id) for holder in leading)


async def near(
    platform: Platform[Config], people: People, code: str, blind_indexes: Sequence[bytes], own_id: UUID
) -> tuple[UUID, ...]:
    """Others who hold a value by which members meet, with whom their IDs lead to; nobody where too many do."""
    _, config = await platform.configurations.current(platform.pool)
    if code not in match_rules.types_that_count(match_rules.policies_of(config)):
        return ()
    places = {value_routing(one) & (platform.settings.partitions - 1) for one in blind_indexes}
    holders = await queries.find_holders(platform.pool, list(places), blind_indexes)
    others = {holder.member_id for holder in holders} - {own_id}
    if not others or len(others) >= MAX_HOLDERS:
        return ()
    found = await people.find(others)
    return tuple(sorted({*found, *(one.survivor_id for one in found.values() if one.survivor_id is not None)}))


async def keep(
    platform: Platform[Config],
    index: ValueIndex,
    caller: str,
    code: str,
    member_id: UUID | None,
    at: datetime,
) -> None:
    """Note who looked for an identifier of a type, and whom it led to."""
    lookup_id = ids.new_id(value_routing(index.blind_index))
    await queries.keep_lookup(platform.pool, _place(platform, index), lookup_id, caller, code, member_id, at)


def _place(platform: Platform[Config], index: ValueIndex) -> int:
    return value_routing(index.blind_index) & (platform.settings.partitions - 1)
