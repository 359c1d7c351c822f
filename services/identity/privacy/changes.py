"""What a decision on consents and erasures makes of the rows."""

from typing import NamedTuple
from uuid import UUID

from services.chassis.operations import Moment
from services.identity.groups.changes import Changed
from services.identity.groups.values import Invitation, Seat
from services.identity.identifiers.values import Identifier
from services.identity.matches.changes import tell
from services.identity.matches.values import Match
from services.identity.privacy import events
from services.identity.privacy.commands import EraseMember
from services.identity.privacy.values import Consent, PersonKey
from services.identity.state import State
from services.identity.values import Account, Config, Member, Route


class ConsentSet(NamedTuple):
    """A decision of a person, if it is new."""

    consent: Consent | None

    def apply(self, state: State, moment: Moment[Config]) -> None:
        """Fold it in."""
        if self.consent is None:
            return
        partition = moment.partition_of(self.consent.member_id.int)
        state.privacy.put_consent(self.consent, partition)
        state.tell(partition, events.consent_changed(self.consent))


class Erased(NamedTuple):
    """Members without anything personal, and what they leave behind."""

    command: EraseMember
    members: tuple[Member, ...]
    accounts: tuple[Account, ...]
    routes: tuple[Route, ...]
    """Those that led to the members, or nowhere any more: nothing is left of them."""
    identifiers: tuple[Identifier, ...]
    left: Changed
    """Groups that they left, and invitations that came to an end."""
    seats: tuple[tuple[UUID, Seat], ...]
    """Rows of former ones, of which nothing is told anew."""
    invitations: tuple[tuple[UUID, Invitation], ...]
    """Likewise."""
    matches: tuple[Match, ...]
    """On which nobody has to decide any more."""
    person_keys: tuple[PersonKey, ...]

    def apply(self, state: State, moment: Moment[Config]) -> None:
        """Fold it in; the event is in the partition of the member that is erased, before those of its groups."""
        for member in self.members:
            state.put_member(member)
        for account in self.accounts:
            state.put_account(account)
        for route in self.routes:
            state.drop_route(route)
        for identifier in self.identifiers:
            state.identifiers.put(identifier, moment.at, moment.partition_of)
        partition = moment.partition_of(self.command.member_id.int)
        state.tell(partition, events.member_erased(self.command.member_id, self.command.absorbed_ids, moment.at))
        self.left.apply(state, moment)
        for owner_id, seat in self.seats:
            state.privacy.put_seat_row(owner_id, seat, moment.partition_of(owner_id.int))
        for owner_id, invitation in self.invitations:
            state.privacy.put_invitation_row(owner_id, invitation, moment.partition_of(owner_id.int))
        tell(state, self.matches, moment)
        for kept in self.person_keys:
            state.privacy.put_person_key(kept)


class Forgotten(NamedTuple):
    """What is remembered no longer."""

    person_keys: tuple[PersonKey, ...]

    def apply(self, state: State, moment: Moment[Config]) -> None:
        """Fold it in. Nothing is told: there is nobody left of whom."""
        for kept in self.person_keys:
            state.privacy.drop_person_key(kept)


PrivacyChange = ConsentSet | Erased | Forgotten
