"""How much of caps groups have used, while a batch is decided.

The cap of a group lives in the group's partition, beside those of members: its key has the group where theirs have the
member. Which group a member counts with is known only in the member's own partition, so what the group has used is
loaded with a second look (`Wider`), for all members of the batch at once.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from services.chassis.operations import Wider
from services.points.activities.limits import cap_period
from services.points.documents import EarnRule
from services.points.groups.commands import LoadGroupCaps
from services.points.groups.values import GroupSeat
from services.points.values import CapKey

MAX_LOADED_AHEAD = 1_000
"""Caps that are loaded along for other members of the batch, so that it need not be interrupted for each of them."""


class CapUses(Protocol):
    """How much of caps is used in a partition."""

    cap_uses: dict[CapKey, int]

    def put_cap_use(self, key: CapKey, used: int) -> None:
        """How much of a cap is used, as it becomes."""


class GroupCaps:
    """The caps of groups in the partitions that a batch has locked."""

    def __init__(self, uses_in: Callable[[int], CapUses], groups: Callable[[], set[UUID]]) -> None:
        """`uses_in` tells the uses of a partition, `groups` those whose members the batch is about."""
        self._uses_in = uses_in
        self._groups = groups
        self._loaded: dict[tuple[UUID, str], date] = {}
        """From which period on it is loaded how much of a rule's cap a group has used."""

    def note_loaded(self, keys: Iterable[CapKey]) -> None:
        """What is used of some caps is loaded, in their periods and later ones."""
        for group_id, rule, period_start in keys:
            before = self._loaded.get((group_id, rule), period_start)
            self._loaded[group_id, rule] = min(before, period_start)

    def is_loaded(self, key: CapKey) -> bool:
        """Whether it is loaded how much of a cap is used."""
        earliest = self._loaded.get((key.member_id, key.rule))
        return earliest is not None and earliest <= key.period_start

    def used(self, partition: int, key: CapKey) -> int | None:
        """How much of a cap is used; None where it is not loaded."""
        return self._uses_in(partition).cap_uses.get(key, 0) if self.is_loaded(key) else None

    def add(self, partition: int, key: CapKey, amount: int) -> None:
        """Something draws on a cap, or gives back to it."""
        uses = self._uses_in(partition)
        uses.put_cap_use(key, max(0, uses.cap_uses.get(key, 0) + amount))

    def wider(self, keys: Sequence[CapKey]) -> Wider | None:
        """What has to be loaded as well to know about some caps; None where nothing has to be."""
        missing = tuple(key for key in keys if not self.is_loaded(key))
        return Wider(LoadGroupCaps(missing)) if missing else None

    def wider_for_all(self, keys: Sequence[CapKey], rules: Sequence[EarnRule], at: datetime) -> Wider:
        """What has to be loaded as well to know about some caps, and about those that other members of the batch may
        draw on by `rules` from the period of an instant on."""
        ahead = [
            key
            for group_id in sorted(self._groups())
            for rule in rules
            if not self.is_loaded(key := CapKey(group_id, rule.code, cap_period(rule, at)))
        ]
        return Wider(LoadGroupCaps(tuple(dict.fromkeys((*keys, *ahead[:MAX_LOADED_AHEAD])))))


def group_at(seats: Iterable[GroupSeat], at: datetime) -> UUID | None:
    """The group with which a member counts at an instant: of those that share points, the one it was in longest."""
    there = [seat for seat in seats if seat.joined_at <= at and (seat.left_at is None or at < seat.left_at)]
    sharing = [(seat.joined_at, seat.group_id) for seat in there if seat.shares_points]
    return min(sharing)[1] if sharing else None
