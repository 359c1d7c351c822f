"""Identifiers' work on a batch: load what its commands concern, decide each."""

from collections.abc import Collection, Iterable
from uuid import UUID

from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Forwarded, Moment, Wider
from services.identity import errors as identity_errors
from services.identity.identifiers import errors, rules, wire
from services.identity.identifiers.changes import Known
from services.identity.identifiers.commands import (
    AddIdentifier,
    Around,
    IdentifierCommand,
    OfIdentifier,
    Reindex,
    RemoveIdentifier,
    VerifyIdentifier,
    value_routing,
)
from services.identity.identifiers.meeting import met, parted
from services.identity.identifiers.values import NOWHERE, Identifier, IdentifierType
from services.identity.matches.values import Match
from services.identity.state import State
from services.identity.values import Config, Member
from services.identity.wire import Place


def decide(state: State, command: IdentifierCommand, moment: Moment[Config]) -> Decided:
    """Decide one command on identifiers."""
    match command:
        case AddIdentifier():
            return _add(state, command, moment)
        case VerifyIdentifier():
            return _verify(state, command, moment)
        case RemoveIdentifier():
            return _remove(state, command, moment)
        case Reindex():
            return _reindex(state, command, moment)
    raise TypeError(f"not a command to decide: {type(command).__name__}")


def _add(state: State, command: AddIdentifier, moment: Moment[Config]) -> Decided:
    member = state.member(command.member_id)
    if member is not None and member.survivor_id is not None:
        return Forwarded(command.meaning(member.survivor_id))
    kind = state.config.identifier_types.get(command.type)
    refusal = rules.add_refusal(member, kind, command.type, command.value)
    if refusal is not None or member is None or kind is None:
        return refusal or errors.identifier_type_unknown(command.type)
    if (wider := elsewhere(state, member)) is not None:
        return wider
    had = state.identifiers.of_members([member.member_id, *merged_into(state, member)])
    same = next((one for one in had if one.blind_index in command.blind_indexes), None)
    if same is not None and same.is_held:
        return _see_again(state, command, kind, same, moment)
    if same is None and len(had) >= rules.MAX_IDENTIFIERS:
        return errors.identifier_limit(rules.MAX_IDENTIFIERS)
    keeper_id, identifier_id = _place_of(command, same)
    value = command.sealed(identifier_id, keeper_id)
    if value is None:
        return identity_errors.ACCOUNTS_CHANGED
    added = _new(command, member, value, moment) if same is None else _revived(command, same, value, moment)
    of_type = [one for one in had if one.type == kind.code and one != same]
    return _added(state, command, kind, added, of_type, moment)


def _place_of(command: AddIdentifier, same: Identifier | None) -> tuple[UUID, UUID]:
    """Who keeps the identifier, and its ID: what was removed comes back where it was."""
    return (command.member_id, command.identifier_id) if same is None else (same.member_id, same.identifier_id)


def _new(command: AddIdentifier, member: Member, value: bytes, moment: Moment[Config]) -> Identifier:
    newest = command.indexes[0]
    return Identifier(
        partition=member.partition,
        identifier_id=command.identifier_id,
        member_id=member.member_id,
        type=command.type,
        key_version=newest.version,
        blind_index=newest.blind_index,
        value=value,
        is_demoted=False,
        verified_at=moment.at if command.verified else None,
        first_seen_at=moment.at,
        last_seen_at=moment.at,
        removed_at=None,
    )


def _revived(command: AddIdentifier, removed: Identifier, value: bytes, moment: Moment[Config]) -> Identifier:
    """What was removed is the member's again. It was seen before, and what was demoted stays so."""
    return removed._replace(
        value=value,
        verified_at=moment.at if command.verified else None,
        last_seen_at=moment.at,
        removed_at=None,
    )


def _added(
    state: State,
    command: AddIdentifier,
    kind: IdentifierType,
    added: Identifier,
    of_type: list[Identifier],
    moment: Moment[Config],
) -> Decided:
    demoted = [one._replace(is_demoted=True) for one in rules.too_many(kind, [*of_type, added], moment.at)]
    as_it_is = next((one for one in demoted if one.identifier_id == added.identifier_id), added)
    others = [one for one in demoted if one is not as_it_is]
    if (wider := unlocked((as_it_is, *others), moment)) is not None:
        return wider
    matches = met(state, command.member_id, (as_it_is, *others), command.blind_indexes, moment)
    if isinstance(matches, Wider):
        return matches
    ids = [one.identifier_id for one in others]
    place = _place(command, as_it_is, moment)
    return Decision(
        Known(changed=(as_it_is, *others), matches=matches),
        lambda: wire.added_answer(as_it_is, kind, ids, matches, True, moment.at, place),
    )


def _see_again(
    state: State, command: AddIdentifier, kind: IdentifierType, held: Identifier, moment: Moment[Config]
) -> Decided:
    """The member holds it already; what is verified now is verified from now on."""
    seen = held._replace(last_seen_at=moment.at, verified_at=moment.at if command.verified else held.verified_at)
    if (wider := unlocked((seen,), moment)) is not None:
        return wider
    matches = _met_anew(state, command, kind, held, seen, moment)
    if isinstance(matches, Wider):
        return matches
    place = _place(command, seen, moment)
    change = Known(changed=(seen,), matches=matches) if command.verified else Known(seen=(seen,), matches=matches)
    return Decision(change, lambda: wire.added_answer(seen, kind, (), matches, False, moment.at, place))


def _verify(state: State, command: VerifyIdentifier, moment: Moment[Config]) -> Decided:
    found = _found(state, command, moment)
    if not isinstance(found, Identifier):
        return found
    kind = rules.known_type(state.config.identifier_types.get(found.type), found.type)
    if isinstance(kind, Rejection):
        return kind
    verified = found._replace(verified_at=moment.at, last_seen_at=moment.at)
    matches = _met_anew(state, command, kind, found, verified, moment)
    if isinstance(matches, Wider):
        return matches
    place = _place(command, verified, moment)
    change = Known(changed=(verified,), matches=matches)
    return Decision(change, lambda: wire.verified_answer(verified, kind, matches, moment.at, place))


def _remove(state: State, command: RemoveIdentifier, moment: Moment[Config]) -> Decided:
    found = _found(state, command, moment)
    if not isinstance(found, Identifier):
        return found
    removed = found._replace(value=b"", verified_at=None, removed_at=moment.at)
    matches = parted(state, command.member_id, removed, moment)
    if isinstance(matches, Wider):
        return matches
    place = _place(command, removed, moment)
    change = Known(changed=(removed,), matches=matches)
    return Decision(change, lambda: wire.removed_answer(command.member_id, place))


def _reindex(state: State, command: Reindex, moment: Moment[Config]) -> Decided:
    """What was reindexed meanwhile stays as it is. What was removed meanwhile is found by nothing any more."""
    identifier, index = state.identifiers.identifier(command.identifier_id), command.index
    if identifier is None or identifier.key_version >= index.version:
        return Decision(None, bytes)
    blind_index = index.blind_index if identifier.is_held else NOWHERE
    if identifier.is_held and blind_index == NOWHERE:
        return Decision(None, bytes)  # it came back since it was read
    reindexed = identifier._replace(key_version=index.version, blind_index=blind_index)
    return Decision(Known(seen=(reindexed,)), bytes)


def _met_anew(
    state: State,
    command: AddIdentifier | VerifyIdentifier,
    kind: IdentifierType,
    before: Identifier,
    after: Identifier,
    moment: Moment[Config],
) -> tuple[Match, ...] | Wider:
    """The matches that it makes that an identifier says more than it did; none when it says the same."""
    says = [(rules.strength(kind, one, moment.at), rules.is_verified(kind, one, moment.at)) for one in (before, after)]
    return () if says[0] == says[1] else met(state, command.member_id, (after,), command.blind_indexes, moment)


def _found(state: State, command: OfIdentifier, moment: Moment[Config]) -> Identifier | Decided:
    """The identifier, if its holder may be served and all that it changes is locked."""
    identifier, keeper = state.identifiers.identifier(command.identifier_id), state.member(command.added_to)
    holder_id = command.member_id if keeper is None else keeper.survivor_id or keeper.member_id
    if holder_id != command.member_id:
        return Forwarded(command.meaning(holder_id))
    refusal = rules.change_refusal(state.member(holder_id), identifier)
    if refusal is not None or identifier is None:
        return refusal or errors.IDENTIFIER_UNKNOWN
    return unlocked((identifier,), moment) or identifier


def merged_into(state: State, member: Member) -> Iterable[UUID]:
    """The members whose identifiers are held by this one."""
    return (one.member_id for one in state.merged_into(member.member_id))


def elsewhere(state: State, member: Member) -> Wider | None:
    """What has to be read to know all that a member is known by: it, and those that were merged into it."""
    keepers = (member.member_id, *sorted(member.homes))
    return None if all(map(state.identifiers.were_read, keepers)) else Wider(Around(keepers))


def unlocked(changed: Iterable[Identifier], moment: Moment[Config]) -> Wider | None:
    """What has to be locked to change identifiers: where their values are looked up, beside their own partitions."""
    return locking({value_routing(one.blind_index) for one in changed}, moment)


def locking(routings: Collection[int], moment: Moment[Config]) -> Wider | None:
    """What is needed where not all partitions are locked to which something routes."""
    if all(moment.partition_of(routing) in moment.positions for routing in routings):
        return None
    return Wider(Around(routings=frozenset(routings)))


def _place(command: AddIdentifier | OfIdentifier, identifier: Identifier, moment: Moment[Config]) -> Place:
    """Where the change is committed; a dry run is committed nowhere."""
    return None if command.validate_only else (identifier.partition, moment.positions[identifier.partition])
