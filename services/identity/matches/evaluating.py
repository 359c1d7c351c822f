"""Whether two members share enough to be one person: judged under the locks of all that speaks for it or against it.

The identifiers of a member and of those that were merged into it count as one person's. What is missing to judge is
asked for (`Wider`): first the members, then who was merged into them, then how many hold the values that they share.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from services.chassis import ids
from services.chassis.operations import Moment, Wider
from services.identity.identifiers.commands import Around
from services.identity.identifiers.values import Identifier
from services.identity.matches import rules
from services.identity.matches.values import MAX_HOLDERS, Match, MatchReason, MatchStatus, Outcome
from services.identity.state import State
from services.identity.values import Config, Member


class Person(NamedTuple):
    """A member with those that were merged into it."""

    member: Member
    keepers: frozenset[UUID]
    """All of their IDs."""
    identifiers: tuple[Identifier, ...]
    """That they hold."""


class Change(NamedTuple):
    """Identifiers that a command is about to change, and the hashes of the value that it is about, all of one value."""

    identifiers: tuple[Identifier, ...] = ()
    alike: frozenset[bytes] = frozenset()

    def value(self, identifier: Identifier) -> bytes:
        """The hash that stands for an identifier's value, under whatever version of the keys it is found."""
        return min(self.alike) if identifier.blind_index in self.alike else identifier.blind_index


UNCHANGED = Change()


def evaluated(
    state: State,
    member_id: UUID,
    other_ids: Sequence[UUID],
    moment: Moment[Config],
    change: Change = UNCHANGED,
) -> tuple[Match, ...] | Wider:
    """The matches between a member and others that are new or become something else; nobody of them was merged."""
    found = people(state, (member_id, *other_ids), change)
    if isinstance(found, Wider):
        return found
    policies = rules.policies_of(state.config)
    shared = {
        other_id: shared_values(found[member_id], found[other_id], rules.types_that_count(policies), change)
        for other_id in other_ids
    }
    if (wider := _counting(state, shared.values())) is not None:
        return wider
    judged = (
        _judged(state, found[member_id], found[other_id], shared[other_id], moment, change) for other_id in other_ids
    )
    return tuple(match for matches in judged for match in matches)


def outcome_of(
    state: State, member: Person, other: Person, values: "Shared", moment: Moment[Config], change: Change
) -> Outcome:
    """What the policies say of two members. A value that too many hold says nothing."""
    kinds = state.config.identifier_types
    evidence = [
        rules.strongest(rules.evidence_of(kinds.get(one.type), one, held, moment.at) for one in ours for held in theirs)
        for value, (ours, theirs) in values.items()
        if _holders(state, value, (*ours, *theirs), change) <= MAX_HOLDERS
    ]
    policies = rules.policies_of(state.config)
    return rules.judged(policies, evidence, names_differ=names_differ(state.config, member, other, change) is not None)


def names_differ(config: Config, member: Person, other: Person, change: Change = UNCHANGED) -> str | None:
    """The type of which two members have different verified real names."""
    return rules.differing_name(real_names(config, member, change), real_names(config, other, change))


def real_names(config: Config, person: Person, change: Change = UNCHANGED) -> list[rules.Name]:
    """The real names that somebody has ever verified and holds; also when the verification has lapsed since."""
    codes = rules.real_name_types(config)
    return [(one.type, change.value(one)) for one in person.identifiers if one.verified_at and one.type in codes]


def person_of(state: State, member: Member, change: Change = UNCHANGED) -> Person:
    """A member with what it holds; all that was merged into it has been read."""
    keepers = frozenset({member.member_id, *(one.member_id for one in state.merged_into(member.member_id))})
    held = {one.identifier_id: one for one in state.identifiers.of_members(sorted(keepers))}
    held |= {one.identifier_id: one for one in change.identifiers if one.member_id in keepers}
    return Person(member, keepers, tuple(one for one in held.values() if one.is_held))


Shared = Mapping[bytes, tuple[list[Identifier], list[Identifier]]]
"""Values that two members share, and by which identifiers of each."""


def shared_values(member: Person, other: Person, codes: Iterable[str], change: Change) -> Shared:
    """The values of some types that two members share."""
    ours, theirs = _by_value(member, codes, change), _by_value(other, codes, change)
    return {value: (ours[value], theirs[value]) for value in sorted(ours.keys() & theirs.keys())}


def _by_value(person: Person, codes: Iterable[str], change: Change) -> dict[bytes, list[Identifier]]:
    found: dict[bytes, list[Identifier]] = {}
    for one in person.identifiers:
        if one.type in codes:
            found.setdefault(change.value(one), []).append(one)
    return found


def people(state: State, member_ids: Sequence[UUID], change: Change = UNCHANGED) -> dict[UUID, Person] | Wider:
    """Members with what they hold, or what has to be read to tell."""
    unread = {one for one in member_ids if not state.identifiers.were_read(one)}
    if unread:
        return Wider(Around(tuple(sorted(unread))))
    members = [member for one in member_ids if (member := state.member(one)) is not None]
    for member in members:
        unread |= {home for home in member.homes if not state.identifiers.were_read(home)}
    if unread:
        return Wider(Around((*member_ids, *sorted(unread))))
    return {member.member_id: person_of(state, member, change) for member in members}


def _counting(state: State, shared: Iterable[Shared]) -> Wider | None:
    """What has to be read to tell how many hold the values that members share."""
    values = {one.blind_index for each in shared for pair in each.values() for held in pair for one in held}
    unread = sorted(value for value in values if not state.identifiers.holders_were_read(value))
    return Wider(Around(values=tuple(unread))) if unread else None


def _holders(state: State, value: bytes, ours: Iterable[Identifier], change: Change) -> int:
    hashes = change.alike if value in change.alike else (value,)
    holders = {one.identifier_id for one in state.identifiers.holders(hashes) if one.is_held}
    return len(holders | {one.identifier_id for one in ours})


def _judged(
    state: State, member: Person, other: Person, values: Shared, moment: Moment[Config], change: Change
) -> list[Match]:
    """The matches between two members that become something else: one stands for the two, and no other is open."""
    known = state.matches.between(member.keepers, other.keepers)
    outcome = outcome_of(state, member, other, values, moment, change)
    conclusion = rules.concluded(outcome, known, (member.member.status, other.member.status))
    current = rules.current(known)
    changed = superseded(known, current, moment)
    if conclusion is None:
        return changed
    status, reason = conclusion
    match = current or new_match(member.member.member_id, other.member.member_id, moment)
    evidence = outcome.evidence if match.member_id in member.keepers else rules.flipped(outcome.evidence)
    becomes = rules.becoming(match, outcome._replace(evidence=evidence), status, reason)
    becomes = becomes._replace(config_version=moment.config_version, changed_at=moment.at)
    if current is None or rules.is_changed(current, becomes):
        changed.append(becomes)
    return changed


def superseded(known: Iterable[Match], current: Match | None, moment: Moment[Config]) -> list[Match]:
    """The other matches of the same two, who met as others: they have lapsed unless they were decided."""
    return [
        one._replace(status=MatchStatus.LAPSED, reason=MatchReason.SUPERSEDED, changed_at=moment.at)
        for one in rules.superfluous(known, current)
    ]


def new_match(member_id: UUID, other_id: UUID, moment: Moment[Config]) -> Match:
    """A match of two who never met. Its ID follows from who they are, and routes like who met the other one."""
    return Match(
        match_id=match_id_of(member_id, other_id),
        member_id=member_id,
        other_id=other_id,
        score=0,
        status=MatchStatus.LAPSED,
        reason="",
        policy="",
        config_version=moment.config_version,
        evidence=(),
        created_at=moment.at,
        changed_at=moment.at,
    )


def match_id_of(member_id: UUID, other_id: UUID) -> UUID:
    """The ID of a match of two members who never met before."""
    both = b"".join(one.bytes for one in sorted((member_id, other_id)))
    return ids.hashed(blake2b(both, digest_size=16).digest(), ids.routing_of(member_id))
