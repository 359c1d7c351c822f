"""What of a score goes from one member to another, by where it came from. Pure.

A score came from the account of its activity or, where it came through none, from the member that had it first.
Sources: model.md "Merge", "Unmerge"; E68, E71.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from uuid import UUID

from services.tiers.values import Entry

Parts = Mapping[tuple[str, date, UUID], int]
"""Amounts by unit, the day on which they count, and where they came from."""


def parts_of(
    member_id: UUID, entries_of_units: Iterable[tuple[str, Iterable[Entry]]]
) -> dict[tuple[str, date, UUID], int]:
    """What a member has, by unit, day and origin."""
    parts: dict[tuple[str, date, UUID], int] = {}
    for unit, entries in entries_of_units:
        for entry in entries:
            key = (unit, entry.day, entry.source_id or member_id)
            parts[key] = parts.get(key, 0) + entry.amount
    return {key: amount for key, amount in parts.items() if amount}


def from_sources(parts: Parts, sources: Collection[UUID]) -> dict[tuple[str, date, UUID], int]:
    """What came from some accounts or members."""
    return {key: amount for key, amount in parts.items() if key[2] in sources}


def difference(wanted: Parts, held: Parts) -> dict[tuple[str, date, UUID], int]:
    """What has to be added to what is held so that it is what is wanted."""
    changes = {key: wanted.get(key, 0) - held.get(key, 0) for key in {*wanted, *held}}
    return {key: amount for key, amount in changes.items() if amount}


def entries(parts: Parts, at: datetime) -> list[tuple[str, Entry]]:
    """The entries by which parts are added from an instant on, with their units; those that lower a score come last."""
    added = [(unit, Entry(at, day, amount, source_id)) for (unit, day, source_id), amount in parts.items()]
    return sorted(added, key=lambda each: (each[1].amount < 0, each[0], each[1].day, str(each[1].source_id)))
