"""What members have and used when two become one or one becomes two again. Pure.

Sources: model.md "Merge", "Unmerge", "Benefits"; cases.md E66, E71.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from services.benefits.config import Benefit, LevelUp
from services.benefits.values import LEVEL_UP, Entitlement, EntitlementState, QuotaUse

_FOREVER = datetime.max.replace(tzinfo=UTC)
_GRANTED, _REVOKED = int(EntitlementState.GRANTED), int(EntitlementState.REVOKED)

Sources = Mapping[str, int]
"""Uses by what they came through, as hexadecimal IDs."""


def passed_on(entitlement: Entitlement, giver_id: UUID, receiver_id: UUID) -> Entitlement:
    """An entitlement that goes from one member to another. It keeps its terms, and to whom it was issued."""
    origin_id = entitlement.origin_id or giver_id
    return entitlement._replace(member_id=receiver_id, origin_id=None if origin_id == receiver_id else origin_id)


def left_behind(entitlement: Entitlement, receiver_id: UUID) -> Entitlement:
    """What is kept in the partition that an entitlement leaves: who has it now."""
    return entitlement._replace(member_id=receiver_id, state=int(EntitlementState.MOVED))


def settled_once(entitlements: Iterable[Entitlement], benefits: Mapping[str, Benefit]) -> list[Entitlement]:
    """The entitlements of one person that become others, since some benefits are had once in a life.

    Where one of those that count as the same was used, those that were not are revoked; where none was, one stays: the
    one that is granted already or else ends last. What was revoked for another that has gone is granted again.
    """
    same: dict[tuple[str, str, str], list[Entitlement]] = {}
    for entitlement in entitlements:
        benefit = benefits.get(entitlement.benefit)
        key = None if benefit is None else _once(benefit, entitlement)
        if key is not None:
            same.setdefault(key, []).append(entitlement)
    return [changed for group in same.values() for changed in _settle(group, benefits[group[0].benefit])]


def _once(benefit: Benefit, entitlement: Entitlement) -> tuple[str, str, str] | None:
    """What makes entitlements count as the same; None for those that all stay."""
    if benefit.once_per_person:
        return (benefit.code, "", "")
    if benefit.once_per_person is None and entitlement.cause == LEVEL_UP and _is_for_life(benefit):
        return (benefit.code, entitlement.cause, entitlement.reference)
    return None


def _is_for_life(benefit: Benefit) -> bool:
    return any(isinstance(way, LevelUp) and way.gifts != "every-rise" for way in benefit.ways)


def _settle(group: Iterable[Entitlement], benefit: Benefit) -> list[Entitlement]:
    group = list(group)
    open_ones = [each for each in group if each.state in (_GRANTED, _REVOKED) and not _is_used(each, benefit)]
    is_used = any(_is_used(each, benefit) for each in group)
    kept = None if is_used or not open_ones else max(open_ones, key=_is_kept_rather)
    wanted = [(each, _GRANTED if each is kept else _REVOKED) for each in open_ones]
    return [each._replace(state=state) for each, state in wanted if each.state != state]


def _is_used(entitlement: Entitlement, benefit: Benefit) -> bool:
    if entitlement.state == EntitlementState.REDEEMED:
        return True
    return entitlement.uses_left is not None and benefit.uses is not None and entitlement.uses_left < benefit.uses


def _is_kept_rather(entitlement: Entitlement) -> tuple[bool, datetime, UUID]:
    return entitlement.state == _GRANTED, entitlement.valid_until or _FOREVER, entitlement.entitlement_id


class Passed(NamedTuple):
    """The uses of a quota of two members after some went from one to the other, and how many did."""

    giver: QuotaUse
    receiver: QuotaUse
    moved: int


def pass_uses(
    giver: QuotaUse, receiver: QuotaUse | None, receiver_id: UUID, goes: Callable[[UUID], bool]
) -> Passed | None:
    """Let what was used of a quota through some sources count for another member; None where nothing does.

    What came through no account came through the member itself. Only the period used last counts.
    """
    if receiver is not None and receiver.period_start > giver.period_start:
        return None
    if receiver is None or receiver.period_start < giver.period_start:
        receiver = QuotaUse(receiver_id, giver.benefit, giver.period_start, 0)
    given, received = dict(sources_of(giver)), dict(sources_of(receiver))
    own = giver.used - sum(given.values())
    going = {source: used for source, used in given.items() if goes(UUID(source))}
    if own and goes(giver.member_id):
        going[giver.member_id.hex] = own
    moved = sum(going.values())
    if not moved:
        return None
    for source, used in going.items():
        given.pop(source, None)
        if source != receiver_id.hex:
            received[source] = received.get(source, 0) + used
    return Passed(
        giver._replace(used=giver.used - moved, sources=_text(given)),
        receiver._replace(used=receiver.used + moved, sources=_text(received)),
        moved,
    )


def sources_of(use: QuotaUse) -> Sources:
    """What was used through accounts, or through other members before they were merged."""
    return json.loads(use.sources) if use.sources else {}


def with_source(use: QuotaUse, source: UUID, added: int) -> QuotaUse:
    """A use with more or fewer through a source."""
    sources = dict(sources_of(use))
    sources[source.hex] = max(0, sources.get(source.hex, 0) + added)
    return use._replace(sources=_text(sources))


def _text(sources: Sources) -> str | None:
    kept = {source: used for source, used in sorted(sources.items()) if used}
    return json.dumps(kept, separators=(",", ":")) if kept else None
