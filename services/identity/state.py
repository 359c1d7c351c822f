"""Identity's rows as a batch loads and changes them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.store import Rows, gone, opposite
from services.identity import wire
from services.identity.groups.state import GroupState
from services.identity.identifiers.state import IdentifierState
from services.identity.matches.state import MatchState
from services.identity.merges.state import MergeState
from services.identity.privacy.rules import Decisions, united
from services.identity.privacy.state import PrivacyState
from services.identity.values import Account, Config, Member, Route


class State:
    """What the commands of a batch concern, and what became of it. A row that changes twice is written once."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._members: dict[UUID, Member] = {}
        self._accounts: dict[UUID, dict[UUID, Account]] = {}
        self._holders: dict[UUID, UUID] = {}
        self._routes: dict[bytes, Route] = {}
        self._changed: dict[int, dict[str, dict[Any, tuple[Any, ...]]]] = {}
        self._events: dict[int, list[bytes]] = {}
        self.undivided: set[int] = set()
        """Partitions in which something was told that makes no sense without what was told in the others."""
        self.groups = GroupState(self._change)
        self.merges = MergeState(self._change)
        self.privacy = PrivacyState(self._change)
        self.matches = MatchState(self._change)
        self.identifiers = IdentifierState(self._change)

    def fill(self, members: Sequence[Member], accounts: Sequence[Account], routes: Sequence[Route]) -> None:
        """Take over what was read."""
        self._members |= {member.member_id: member for member in members}
        self._routes |= {route.blind_index: route for route in routes}
        for account in accounts:
            self._hold(account)

    def member(self, member_id: UUID) -> Member | None:
        """A member, if there is one of this ID."""
        return self._members.get(member_id)

    def accounts(self, member_id: UUID) -> Mapping[UUID, Account]:
        """The accounts that a member holds, by ID; of those kept in the partitions of the batch."""
        return self._accounts.get(member_id, {})

    def holder(self, account_id: UUID) -> UUID | None:
        """Who holds an account."""
        return self._holders.get(account_id)

    def members(self) -> Mapping[UUID, Member]:
        """All members that were read, by ID."""
        return self._members

    def merged_into(self, member_id: UUID) -> list[Member]:
        """The members whose IDs lead to this one; of those in the partitions of the batch."""
        return [member for member in self._members.values() if member.survivor_id == member_id]

    def decisions(self, member_id: UUID) -> Decisions:
        """What a member has decided, with those that were merged into it."""
        merged = (self.privacy.decisions(one.member_id) for one in self.merged_into(member_id))
        return united(self.privacy.decisions(member_id), merged)

    def route(self, blind_index: bytes) -> Route | None:
        """Where a name leads; None when it was never seen."""
        return self._routes.get(blind_index)

    def put_member(self, member: Member) -> None:
        """A member is new or changed."""
        self._members[member.member_id] = member
        self._change(
            member.partition,
            "members",
            member.member_id,
            (
                member.member_id,
                int(member.status),
                member.enrolled_at,
                member.data_key.version,
                member.data_key.key,
                member.attributes,
                member.survivor_id,
                member.merge_id,
                ids.joined(sorted(member.homes)),
            ),
        )

    def put_account(self, account: Account) -> None:
        """An account is new or changed; one that was unlinked is no longer among its holder's."""
        before = self._holders.pop(account.account_id, None)
        if before is not None:
            del self._accounts[before][account.account_id]
        self.privacy.fill(accounts=[account])
        if account.unlinked_at is None:
            self._hold(account)
        self._change(
            account.partition,
            "accounts",
            account.account_id,
            (
                account.account_id,
                account.member_id,
                account.domain,
                account.blind_index,
                account.external_id,
                account.verified,
                account.linked_at,
                account.unlinked_at,
                account.holder_id,
            ),
        )

    def put_route(self, route: Route) -> None:
        """A name leads elsewhere."""
        self._routes[route.blind_index] = route
        self._change(
            route.partition,
            "routes",
            route.blind_index,
            (
                route.blind_index,
                route.account_id,
                route.member_id,
                int(route.status),
                route.enrolled_by,
                wire.route_reply(route) if route.is_linked else None,
            ),
        )

    def drop_route(self, route: Route) -> None:
        """A name is forgotten, as if it had never been seen."""
        self._routes.pop(route.blind_index, None)
        self._change(route.partition, gone("routes"), route.blind_index, (route.blind_index,))

    def tell(self, partition: int, event: bytes) -> None:
        """Something happened that others are to know."""
        self._events.setdefault(partition, []).append(event)

    def tell_undivided(self, partition: int, event: bytes) -> None:
        """Something happened of which a half is told in each of several partitions."""
        self.undivided.add(partition)
        self.tell(partition, event)

    def _hold(self, account: Account) -> None:
        self._accounts.setdefault(account.holder_id, {})[account.account_id] = account
        self._holders[account.account_id] = account.holder_id

    def _change(self, partition: int, table: str, key: Any, row: tuple[Any, ...]) -> None:
        tables = self._changed.setdefault(partition, {})
        tables.setdefault(table, {})[key] = row
        tables.get(opposite(table), {}).pop(key, None)

    def rows(self, partition: int) -> Mapping[str, Rows]:
        """What changed in a partition, by table."""
        return {table: list(rows.values()) for table, rows in self._changed.get(partition, {}).items()}

    def events(self, partition: int) -> Sequence[bytes]:
        """What happened in a partition, in order."""
        return self._events.get(partition, ())
