"""Consents and what members leave behind, as a batch loads and changes them."""

from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from services.chassis.store import gone
from services.identity.groups.values import Invitation, Seat
from services.identity.privacy.values import Consent, PersonKey
from services.identity.values import Account

Change = Callable[[int, str, Any, tuple[Any, ...]], None]
"""Takes a row that is new or changed: its partition, its table, its key there, and what it is."""


class PrivacyState:
    """What the commands of a batch on consents and erasures concern, and what became of it."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._decisions: dict[UUID, dict[tuple[str, str], Consent]] = {}
        self._accounts: dict[UUID, Account] = {}
        self._seats: dict[tuple[UUID, UUID], Seat] = {}
        self._invitations: dict[tuple[UUID, UUID], Invitation] = {}
        self._person_keys: dict[bytes, PersonKey] = {}

    def fill(
        self,
        consents: Collection[Consent] = (),
        accounts: Collection[Account] = (),
        seats: Collection[tuple[UUID, Seat]] = (),
        invitations: Collection[tuple[UUID, Invitation]] = (),
        person_keys: Collection[PersonKey] = (),
    ) -> None:
        """Take over what was read, of members that are to be erased all there is; and what changed since."""
        self._person_keys |= {kept.person_key: kept for kept in person_keys}
        for consent in consents:
            self._decisions.setdefault(consent.member_id, {})[consent.domain, consent.purpose] = consent
        self._accounts |= {account.account_id: account for account in accounts}
        self._seats |= {(owner_id, seat.seat_id): seat for owner_id, seat in seats}
        self._invitations |= {(owner_id, one.invitation_id): one for owner_id, one in invitations}

    def decisions(self, member_id: UUID) -> Mapping[tuple[str, str], Consent]:
        """The decisions of a member that hold, by domain and purpose."""
        return self._decisions.get(member_id, {})

    def accounts(self, member_ids: Collection[UUID]) -> list[Account]:
        """The accounts that members hold and held, or that were linked to them."""
        return [one for one in self._accounts.values() if one.holder_id in member_ids or one.member_id in member_ids]

    def seats(self, member_ids: Collection[UUID]) -> list[tuple[UUID, Seat]]:
        """The seats that members have and had, each with whose row it is: the group's or the member's."""
        return [(owner_id, seat) for (owner_id, _), seat in self._seats.items() if seat.member_id in member_ids]

    def invitations(self, member_ids: Collection[UUID]) -> list[tuple[UUID, Invitation]]:
        """The invitations that members got, likewise."""
        return [(owner_id, one) for (owner_id, _), one in self._invitations.items() if one.member_id in member_ids]

    def put_seat_row(self, owner_id: UUID, seat: Seat, partition: int) -> None:
        """A row of a former seat is changed, and not the other one of it."""
        self._seats[owner_id, seat.seat_id] = seat
        self._change(partition, "seats", (owner_id, seat.seat_id), (owner_id, *seat))

    def put_invitation_row(self, owner_id: UUID, invitation: Invitation, partition: int) -> None:
        """A row of a former invitation is changed, and not the other one of it."""
        self._invitations[owner_id, invitation.invitation_id] = invitation
        key = (owner_id, invitation.invitation_id)
        self._change(partition, "invitations", key, (owner_id, *invitation))

    def put_consent(self, consent: Consent, partition: int) -> None:
        """Something was decided."""
        self.fill([consent])
        key = (consent.member_id, consent.domain, consent.purpose, consent.number)
        self._change(partition, "consents", key, tuple(consent))

    def person_key(self, person_key: bytes) -> PersonKey | None:
        """What is remembered under a key."""
        return self._person_keys.get(person_key)

    def put_person_key(self, kept: PersonKey) -> None:
        """A programme is to remember somebody."""
        self._person_keys[kept.person_key] = kept
        self._change(kept.partition, "person_keys", kept.person_key, (kept.person_key, kept.kept_until))

    def drop_person_key(self, kept: PersonKey) -> None:
        """A programme is to remember somebody no longer."""
        self._person_keys.pop(kept.person_key, None)
        self._change(kept.partition, gone("person_keys"), kept.person_key, (kept.person_key,))
