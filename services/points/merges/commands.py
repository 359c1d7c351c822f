"""What a batch loads of the other members of a person, and what a command means that was sent to an old ID."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from services.chassis.ids import routing_of, with_routing
from services.points.adjustments.commands import Adjust
from services.points.commands import (
    ActivityKey,
    CompleteActivity,
    Convert,
    Forfeit,
    Grant,
    PlaceHold,
    RecordActivity,
    RefundActivity,
    Spend,
)
from services.points.gifts.commands import AcceptGift, Give
from services.points.merges.values import Merge
from services.points.naming import natural_key
from services.points.partners.commands import StartPartnerConversion
from services.points.values import CapKey


@dataclass(frozen=True, slots=True)
class NoteChecked:
    """Note of a merge that orders which both members had reported before were looked for."""

    merge: Merge
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The survivor."""
        return (routing_of(self.merge.survivor_id),)


@dataclass(frozen=True, slots=True)
class LoadOthers:
    """Lock the partitions of other members of persons, and load what is asked of them."""

    wallets: tuple[UUID, ...] = ()
    natural_keys: tuple[tuple[UUID, UUID], ...] = ()
    """Member and natural key: what is recorded under it."""
    caps: tuple[CapKey, ...] = ()
    """How much is used of them, in their periods and later ones."""
    accounts: tuple[tuple[UUID, UUID], ...] = ()
    """Member and account: whose that is, as the member's partition knows it."""
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The members."""
        named = (*self.natural_keys, *self.accounts)
        members = (*self.wallets, *(each for each, _ in named), *(key.member_id for key in self.caps))
        return tuple({routing_of(each): None for each in members})


@dataclass(frozen=True, slots=True)
class LoadProvenance:
    """Lock the partitions of some members, and load their wallets and what came or counted through each account."""

    unmerge_id: UUID
    """What for: it is true when a batch begins with that, and not what counted since is in it."""
    member_ids: tuple[UUID, ...]
    accounts: tuple[UUID, ...]
    """Those of which it matters what was drawn on caps through them."""
    leaving: tuple[UUID, ...]
    """Members of whom it matters of all accounts."""
    since: datetime | None
    """From when on that matters; None where there are no caps."""
    request: None = None
    validate_only: bool = False

    @property
    def owners(self) -> tuple[int, ...]:
        """The members."""
        return tuple({routing_of(each): None for each in self.member_ids})


Sent = (
    RecordActivity | Spend | PlaceHold | Grant | Forfeit | Convert | Adjust | StartPartnerConversion | Give | AcceptGift
)
"""Commands that name a member."""
_MADE = (
    "spend_id",
    "hold_id",
    "grant_id",
    "forfeit_id",
    "conversion_id",
    "adjustment_id",
    "partner_conversion_id",
)
"""What a command makes, which routes like the member."""


AnySent = TypeVar("AnySent", bound=Sent)


def meaning(command: AnySent, member_id: UUID) -> AnySent:
    """The same command for whom the ID leads to that it was sent to, which knows the request."""
    routing = routing_of(member_id)
    if isinstance(command, RecordActivity):
        activity = command.activity
        return command._replace(
            member_id=member_id,
            activity_id=with_routing(command.activity_id, routing),
            natural_key=natural_key(member_id, activity.domain, activity.type, activity.reference),
            owners=(command.owners[0], routing),
        )
    if isinstance(command, AcceptGift):
        return replace(command, member_id=member_id)
    changed: dict[str, Any] = {"member_id": member_id, "sent_to": command.owners[0]}
    if isinstance(command, Give):
        changed["gift_id"] = with_routing(command.gift_id, routing)
    for name in _MADE:
        made = getattr(command, name, None)
        if made is not None:
            changed[name] = with_routing(made, routing)
    return replace(command, **changed)


ByKey = RefundActivity | CompleteActivity
"""Commands that may name an activity by its natural key."""


def by_key_of(command: ByKey, member_id: UUID) -> ByKey:
    """The same command on the activity that another member of the person reported."""
    key = command.activity
    assert isinstance(key, ActivityKey)
    named = ActivityKey(
        member_id, key.domain, key.type, key.reference, natural_key(member_id, key.domain, key.type, key.reference)
    )
    return replace(command, activity=named, sent_to=command.owners[0])
