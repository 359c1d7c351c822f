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
        self._accounts: dict[UUID, dict[UUID, Account]] = {}
        self._seats: dict[UUID, dict[UUID, Seat]] = {}
        self._invitations: dict[UUID, dict[UUID, Invitation]] = {}
        self._person_keys: dict[bytes, PersonKey] = {}

    def fill(
        self,
        consents: Collection[Consent] = (),
        accounts: Collection[Account] = (),
        seats: Collection[Seat] = (),
        invitations: Collection[Invitation] = (),
        person_keys: Collection[PersonKey] = (),
    ) -> None:
        """Take over what was read, of members that are to be erased all there is; and what changed since."""
        self._person_keys |= {kept.person_key: kept for kept in person_keys}
        for consent in consents:
            self._decisions.setdefault(consent.member_id, {})[consent.domain, consent.purpose] = consent
        for account in accounts:
            self._accounts.setdefault(account.member_id, {})[account.account_id] = account
        for seat in seats:
            self._seats.setdefault(seat.member_id, {})[seat.seat_id] = seat
        for invitation in invitations:
            self._invitations.setdefault(invitation.member_id, {})[invitation.invitation_id] = invitation

    def decisions(self, member_id: UUID) -> Mapping[tuple[str, str], Consent]:
        """The decisions of a member that hold, by domain and purpose."""
        return self._decisions.get(member_id, {})

    def accounts(self, member_id: UUID) -> Mapping[UUID, Account]:
        """The accounts that a member has and had, by ID."""
        return self._accounts.get(member_id, {})

    def seats(self, member_id: UUID) -> Mapping[UUID, Seat]:
        """The seats that a member has and had, by ID."""
        return self._seats.get(member_id, {})

    def invitations(self, member_id: UUID) -> Mapping[UUID, Invitation]:
        """The invitations that a member got, by ID."""
        return self._invitations.get(member_id, {})

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
