"""Identity in a few lines: what any sequence of operations must come to."""

from dataclasses import dataclass, field

LIMITS = {"grocery": 1, "travel": None}
"""Accounts per member of the domains that are configured."""


@dataclass
class Person:
    """A member: its status, and its accounts by ID."""

    status: str = "ACTIVE"
    accounts: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass
class Model:
    """Members by name. Each method answers "ok" or the reason of a refusal."""

    people: dict[str, Person] = field(default_factory=dict)

    def resolve(self, domain: str, name: str, member: str, account: str) -> str:
        """Find an account, or enrol `member` with it."""
        if self._owner(domain, name) is not None:
            return "ok"
        if domain not in LIMITS:
            return "DOMAIN_UNKNOWN"
        self.people[member] = Person(accounts={account: (domain, name)})
        return "ok"

    def link(self, member: str, domain: str, name: str, account: str) -> str:
        """Link an account."""
        person = self.people.get(member)
        if person is None:
            return "MEMBER_UNKNOWN"
        if person.status != "ACTIVE":
            return f"MEMBER_{person.status}"
        if domain not in LIMITS:
            return "DOMAIN_UNKNOWN"
        owner = self._owner(domain, name)
        if owner is not None:
            return "ok" if owner is person else "ACCOUNT_LINKED_ELSEWHERE"
        limit = LIMITS[domain]
        if limit is not None and sum(place == domain for place, _ in person.accounts.values()) >= limit:
            return "DOMAIN_ACCOUNT_LIMIT"
        person.accounts[account] = (domain, name)
        return "ok"

    def unlink(self, member: str, account: str) -> str:
        """Unlink an account."""
        person = self.people.get(member)
        if person is None or account not in person.accounts:
            return "ACCOUNT_UNKNOWN"
        if person.status != "ACTIVE":
            return f"MEMBER_{person.status}"
        if len(person.accounts) == 1:
            return "LAST_ACCOUNT"
        del person.accounts[account]
        return "ok"

    def change_status(self, member: str, change: str) -> str:
        """Suspend, reinstate or close."""
        person = self.people.get(member)
        if person is None:
            return "MEMBER_UNKNOWN"
        if person.status == "CLOSED":
            return "MEMBER_CLOSED"
        if change == "suspend" and person.status == "SUSPENDED":
            return "MEMBER_SUSPENDED"
        if change == "reinstate" and person.status == "ACTIVE":
            return "MEMBER_NOT_SUSPENDED"
        person.status = {"suspend": "SUSPENDED", "reinstate": "ACTIVE", "close": "CLOSED"}[change]
        return "ok"

    def owners(self) -> dict[tuple[str, str], tuple[str, str, str]]:
        """Where every name leads: member, account, status."""
        return {
            name: (member, account, person.status)
            for member, person in self.people.items()
            for account, name in person.accounts.items()
        }

    def _owner(self, domain: str, name: str) -> Person | None:
        return next((person for person in self.people.values() if (domain, name) in person.accounts.values()), None)
