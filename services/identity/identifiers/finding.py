"""Who has an identifier: read without a lock, and who asked is kept."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
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
from services.identity.values import Config, Member


class Wanted(NamedTuple):
    """A value that a member is to have."""

    type: str
    blind_indexes: tuple[bytes, ...]
    member_id: UUID


async def find(
    platform: Platform[Config], people: People, kind: IdentifierType, indexes: Sequence[ValueIndex], at: datetime
) -> tuple[Holder, UUID] | Rejection:
    """The holder of a value by which a member is found, and the member that its ID means."""
    places = {_place(platform, index) for index in indexes}
    holders = await queries.find_leading(platform.pool, list(places), [index.blind_index for index in indexes])
    leading = rules.leading(kind, holders, at)
    members = await people.find({holder.member_id for holder in leading})
    return rules.found((holder, members[holder.member_id].survivor_id or holder.member_id) for holder in leading)


async def near(platform: Platform[Config], people: People, wanted: Sequence[Wanted]) -> list[tuple[UUID, ...]]:
    """Who else holds each value, and whom their IDs lead to; nobody where too many do, or where members do not meet."""
    _, config = await platform.configurations.current(platform.pool)
    counting = match_rules.types_that_count(match_rules.policies_of(config))
    hashes = {each for one in wanted if one.type in counting for each in one.blind_indexes}
    if not hashes:
        return [() for _ in wanted]
    places = {value_routing(each) & (platform.settings.partitions - 1) for each in hashes}
    holders: dict[bytes, set[UUID]] = {}
    for holder in await queries.find_holders(platform.pool, list(places), list(hashes)):
        holders.setdefault(holder.blind_index, set()).add(holder.member_id)
    others = [_others(one, holders) for one in wanted]
    found = await people.find(set().union(*others))
    return [_led_to(each, found) for each in others]


def _others(wanted: Wanted, holders: Mapping[bytes, set[UUID]]) -> set[UUID]:
    others = set().union(*(holders.get(each, ()) for each in wanted.blind_indexes)) - {wanted.member_id}
    return others if len(others) < MAX_HOLDERS else set()


def _led_to(others: set[UUID], found: Mapping[UUID, Member]) -> tuple[UUID, ...]:
    known = [found[each] for each in others if each in found]
    survivors = {one.survivor_id for one in known if one.survivor_id is not None}
    return tuple(sorted({one.member_id for one in known} | survivors))


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
