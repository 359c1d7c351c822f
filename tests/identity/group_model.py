"""Groups in a few lines: what any sequence of operations must come to."""

from dataclasses import dataclass, field

RIGHTS = {"adult": {"invite", "remove"}, "child": set()}
"""What roles may beside the owner, who may everything."""
SEATS = {"adult": (1, 2), "child": (0, 1)}
"""How many have a role at least, once so many have it, and at most."""
COOL_DOWN_DAYS = 2
INVITATION_DAYS = 3
GROUPS_PER_MEMBER = 1


@dataclass
class Household:
    """A group: its owner, and who has which role."""

    owner: str
    roles: dict[str, str]
    is_active: bool = True


@dataclass
class Asked:
    """An invitation, by whole days."""

    group: str
    member: str
    role: str
    last_day: int
    status: str = "OPEN"


@dataclass
class GroupModel:
    """Members, groups and invitations by name. Each method answers "ok" or the reason of a refusal."""

    members: set[str]
    suspended: set[str] = field(default_factory=set)
    groups: dict[str, Household] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    left: dict[str, dict[str, int]] = field(default_factory=dict)
    day: int = 0

    def create(self, group: str, member: str) -> str:
        """Found a group."""
        refusal = self._not_served(member) or self._cannot_join(member, group)
        if refusal:
            return refusal
        self.groups[group] = Household(member, {member: "owner"})
        return "ok"

    def invite(self, invitation: str, group: str, acting: str | None, member: str, role: str) -> str:
        """Ask."""
        refusal = self._may_not(group, acting, "invite")
        if refusal:
            return refusal
        refusal = self._not_served(member)
        if refusal:
            return refusal
        if member in self.groups[group].roles:
            return "GROUP_MEMBER_ALREADY"
        if any(a.group == group and a.member == member and self.status(a) == "OPEN" for a in self.asked.values()):
            return "INVITATION_EXISTS"
        if self._is_full(group, role):
            return "GROUP_SEATS_TAKEN"
        self.asked[invitation] = Asked(group, member, role, self.day + INVITATION_DAYS)
        return "ok"

    def accept(self, invitation: str, member: str) -> str:
        """Join."""
        asked = self.asked.get(invitation)
        if asked is None or asked.member != member:
            return "INVITATION_UNKNOWN"
        if self.status(asked) != "OPEN":
            return "INVITATION_NOT_OPEN"
        refusal = self._not_served(member) or self._cannot_join(member, asked.group)
        if refusal:
            return refusal
        if self._is_full(asked.group, asked.role):
            return "GROUP_SEATS_TAKEN"
        self.groups[asked.group].roles[member] = asked.role
        asked.status = "ACCEPTED"
        return "ok"

    def end(self, invitation: str, acting: str | None, status: str) -> str:
        """Decline or cancel."""
        asked = self.asked.get(invitation)
        if asked is None or (status == "DECLINED" and asked.member != acting):
            return "INVITATION_UNKNOWN"
        if self.status(asked) != "OPEN":
            return "INVITATION_NOT_OPEN"
        refusal = self._may_not(asked.group, acting, "invite") if status == "CANCELLED" else ""
        if refusal:
            return refusal
        asked.status = status
        return "ok"

    def leave(self, group: str, member: str) -> str:
        """Leave."""
        if group not in self.groups:
            return "GROUP_UNKNOWN"
        if not self.groups[group].is_active:
            return "GROUP_DISSOLVED"
        return self._go(group, member)

    def remove(self, group: str, acting: str | None, member: str) -> str:
        """Take out."""
        return self._may_not(group, acting, "remove") or self._go(group, member)

    def change_role(self, group: str, acting: str | None, member: str, role: str) -> str:
        """Another role."""
        refusal = self._may_not(group, acting, "change-role")
        if refusal:
            return refusal
        household = self.groups[group]
        if member not in household.roles:
            return "GROUP_MEMBER_UNKNOWN"
        if household.owner == member:
            return "GROUP_OWNER"
        if household.roles[member] != role:
            if self._is_kept(group, member):
                return "GROUP_SEATS_MINIMUM"
            if self._is_full(group, role):
                return "GROUP_SEATS_TAKEN"
        household.roles[member] = role
        return "ok"

    def transfer(self, group: str, acting: str | None, member: str) -> str:
        """Pass on."""
        refusal = self._may_not(group, acting, "transfer")
        if refusal:
            return refusal
        household = self.groups[group]
        if household.owner == member:
            return "GROUP_OWNER"
        if member not in household.roles:
            return "GROUP_MEMBER_UNKNOWN"
        refusal = self._not_served(member)
        if refusal:
            return refusal
        household.roles[household.owner] = household.roles[member]
        household.roles[member] = "owner"
        household.owner = member
        return "ok"

    def dissolve(self, group: str, acting: str | None) -> str:
        """End."""
        refusal = self._may_not(group, acting, "dissolve")
        if refusal:
            return refusal
        household = self.groups[group]
        for member in household.roles:
            self.left.setdefault(member, {})[group] = self.day
        household.roles, household.is_active = {}, False
        for asked in self.asked.values():
            if asked.group == group and self.status(asked) == "OPEN":
                asked.status = "CANCELLED"
        return "ok"

    def suspend(self, member: str) -> str:
        """Not served any more."""
        if member in self.suspended:
            return "MEMBER_SUSPENDED"
        self.suspended.add(member)
        return "ok"

    def reinstate(self, member: str) -> str:
        """Served again."""
        if member not in self.suspended:
            return "MEMBER_NOT_SUSPENDED"
        self.suspended.remove(member)
        return "ok"

    def status(self, asked: Asked) -> str:
        """How far an invitation is."""
        return "EXPIRED" if asked.status == "OPEN" and self.day >= asked.last_day else asked.status

    def _not_served(self, member: str) -> str:
        if member not in self.members:
            return "MEMBER_UNKNOWN"
        return "MEMBER_SUSPENDED" if member in self.suspended else ""

    def _may_not(self, group: str, acting: str | None, right: str) -> str:
        household = self.groups.get(group)
        if household is None:
            return "GROUP_UNKNOWN"
        if not household.is_active:
            return "GROUP_DISSOLVED"
        if acting is None:
            return ""
        role = household.roles.get(acting)
        if role is None:
            return "GROUP_RIGHT_MISSING"
        if acting in self.suspended:
            return "MEMBER_SUSPENDED"
        return "" if role == "owner" or right in RIGHTS[role] else "GROUP_RIGHT_MISSING"

    def _cannot_join(self, member: str, group: str) -> str:
        if sum(member in household.roles for household in self.groups.values()) >= GROUPS_PER_MEMBER:
            return "GROUP_LIMIT"
        others = [day for place, day in self.left.get(member, {}).items() if place != group]
        return "GROUP_COOL_DOWN" if others and self.day < max(others) + COOL_DOWN_DAYS else ""

    def _go(self, group: str, member: str) -> str:
        household = self.groups[group]
        if member not in household.roles:
            return "GROUP_MEMBER_UNKNOWN"
        if household.owner == member:
            return "GROUP_OWNER"
        if self._is_kept(group, member):
            return "GROUP_SEATS_MINIMUM"
        del household.roles[member]
        self.left.setdefault(member, {})[group] = self.day
        return "ok"

    def _is_full(self, group: str, role: str) -> bool:
        return list(self.groups[group].roles.values()).count(role) >= SEATS[role][1]

    def _is_kept(self, group: str, member: str) -> bool:
        role = self.groups[group].roles[member]
        return list(self.groups[group].roles.values()).count(role) == SEATS[role][0]
