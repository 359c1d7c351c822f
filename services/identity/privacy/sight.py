"""What a caller may read of members: what the domains gave in which it acts, and what the members agree to show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from services.chassis.access import ALL, Caller
from services.chassis.configurations import Configurations
from services.identity.privacy import queries, rules
from services.identity.privacy.rules import Decisions
from services.identity.privacy.values import Consent, Use
from services.identity.values import Config, Member


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller may read of some members."""

    caller: Caller
    config: Config | None = None
    """None for who acts in every domain: it reads everything."""
    enrolled_through: dict[UUID, str] = field(default_factory=dict)
    decisions: dict[UUID, Decisions] = field(default_factory=dict)

    def reads_external_ids(self, member_id: UUID, domain: str) -> bool:
        """Whether it may read how a domain calls its accounts of a member."""
        return self._reads(member_id, domain, Use.EXTERNAL_IDS)

    def reads_attributes(self, member_id: UUID) -> bool:
        """Whether it may read a member's attributes: they were given by the domain through which it was enrolled."""
        return self._reads(member_id, self.enrolled_through.get(member_id, ""), Use.ATTRIBUTES)

    def reads_identifiers(self, member_id: UUID) -> bool:
        """Whether it may read what a member is known by, which is of the domain through which it was enrolled."""
        return self._reads(member_id, self.enrolled_through.get(member_id, ""), Use.IDENTIFIERS)

    def finds(self, member_id: UUID) -> bool:
        """Whether it may find a member by an identifier that it has already."""
        domain = self.enrolled_through.get(member_id, "")
        if self.config is None or self.caller.may_act_in(domain):
            return True
        return rules.may_be_found(self.config, domain, self.decisions.get(member_id, {}))

    def _reads(self, member_id: UUID, domain: str, use: Use) -> bool:
        if self.config is None or self.caller.may_act_in(domain):
            return True
        return rules.may_read(self.config, domain, use, self.decisions.get(member_id, {}))


async def sight_of(
    caller: Caller, pool: asyncpg.Pool, configurations: Configurations[Config], members: Sequence[Member]
) -> Sight:
    """What a caller may read of members. Who acts in every domain costs nothing.

    Those that were merged into another one of them have their decisions in common with it.
    """
    if caller.domains is ALL or not members:
        return Sight(caller)
    _, config = await configurations.current(pool)
    partitions = {member.partition for member in members}
    member_ids = [member.member_id for member in members]
    own: dict[UUID, dict[tuple[str, str], Consent]] = {}
    for consent in await queries.load_consents(pool, partitions, member_ids):
        own.setdefault(consent.member_id, {})[consent.domain, consent.purpose] = consent
    enrolled_at = [member.enrolled_at for member in members]
    enrolled_through = await queries.enrolled_through(pool, partitions, member_ids, enrolled_at)
    return Sight(caller, config, enrolled_through, _in_common(members, own))


def _in_common(members: Sequence[Member], own: Mapping[UUID, Decisions]) -> dict[UUID, Decisions]:
    merged: dict[UUID, list[Decisions]] = {}
    for member in members:
        if member.survivor_id is not None:
            merged.setdefault(member.survivor_id, []).append(own.get(member.member_id, {}))
    return {
        member.member_id: rules.united(own.get(holder_id, {}), merged.get(holder_id, ()))
        for member in members
        if (holder_id := member.survivor_id or member.member_id)
    }
