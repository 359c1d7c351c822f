"""Matches' work on a batch: decide what becomes of two members who may be one person."""

from collections.abc import Iterable
from uuid import UUID

from grpc import StatusCode

from services.chassis import ids
from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment, Wider
from services.identity import errors as identity_errors
from services.identity.matches import errors, wire
from services.identity.matches.changes import Matched
from services.identity.matches.commands import CarryOutMatch, EvaluatePair, MatchCommand, MergeMatch, SettleMatch
from services.identity.matches.evaluating import Person, evaluated, people, superseded
from services.identity.matches.values import Match, MatchReason, MatchStatus
from services.identity.merges import merging
from services.identity.merges.changes import Rearranged
from services.identity.merges.values import MERGE
from services.identity.state import State
from services.identity.values import Config
from services.identity.wire import Place


def decide(state: State, command: MatchCommand, moment: Moment[Config]) -> Decided:
    """Decide one command on matches."""
    match command:
        case EvaluatePair():
            return _evaluate(state, command, moment)
        case SettleMatch():
            return _settle(state, command, moment)
        case MergeMatch():
            return _merge(state, command, moment)
        case CarryOutMatch():
            return _carry_out(state, command, moment)


def _evaluate(state: State, command: EvaluatePair, moment: Moment[Config]) -> Decided:
    if (wider := _unread(state, command.member_ids)) is not None:
        return wider
    member_id, other_id = _meant(state, command.member_id), _meant(state, command.other_id)
    if member_id == other_id:
        return Decision(None, lambda: wire.evaluated_answer(()))
    matches = evaluated(state, member_id, (other_id,), moment)
    if isinstance(matches, Wider):
        return matches
    return Decision(Matched(matches), lambda: wire.evaluated_answer(matches))


def _settle(state: State, command: SettleMatch, moment: Moment[Config]) -> Decided:
    if (wider := _unread(state, command.member_ids)) is not None:
        return wider
    match = state.matches.match(command.match_id)
    if match is None:
        return errors.MATCH_UNKNOWN
    if match.status is MatchStatus.MERGED:
        return _merged(match)
    persons = people(state, [_meant(state, one) for one in command.member_ids])
    if isinstance(persons, Wider):
        return persons
    settled = match._replace(
        status=command.status,
        reason=MatchReason.DECIDED,
        changed_at=moment.at,
        decided_at=moment.at,
        decided_by=command.caller,
        cause=command.cause,
    )
    known = _between(state, list(persons.values()))
    place = _place(command, match, moment)
    change = Matched((settled, *superseded(known, match, moment)))
    return Decision(change, lambda: wire.decided_answer(settled, place))


def _merge(state: State, command: MergeMatch, moment: Moment[Config]) -> Decided:
    """Whoever the two are when it is decided: if somebody else than when the command was made, it is made anew."""
    match = state.matches.match(command.match_id)
    if match is not None and match.status is MatchStatus.MERGED:
        return _merged(match)
    decided = merging.merge(state, command, moment)
    if not isinstance(decided, Decision):
        return decided
    change = decided.outcome
    assert isinstance(change, Rearranged)
    merged = next((one for one in change.matches if one.match_id == command.match_id), None)
    if merged is None:
        return identity_errors.ACCOUNTS_CHANGED
    place = merging.place_of(command, moment)
    return Decision(change, lambda: wire.decided_answer(merged, place))


def _carry_out(state: State, command: CarryOutMatch, moment: Moment[Config]) -> Decided:
    """What spoke for it is judged again. What is in the way makes it a matter for somebody to decide."""
    if command.survivor_id == command.merged_id:
        return Decision(None, bytes)
    matches = evaluated(state, command.survivor_id, (command.merged_id,), moment)
    if isinstance(matches, Wider):
        return matches
    was = state.matches.match(command.match_id)
    match = next((one for one in matches if one.match_id == command.match_id), was)
    if match is None or match.status is not MatchStatus.MERGING:
        return Decision(Matched(matches), bytes)
    if command.blocker:
        return _left_open(match, command.blocker, moment)
    decided = merging.merge(state, command, moment)
    if isinstance(decided, Rejection) and decided.code is not StatusCode.ABORTED:
        return _left_open(match, decided.reason, moment)
    return decided


def _left_open(match: Match, reason: str, moment: Moment[Config]) -> Decision:
    opened = match._replace(status=MatchStatus.OPEN, reason=reason, changed_at=moment.at)
    return Decision(Matched((opened,)), bytes)


def _between(state: State, persons: list[Person]) -> list[Match]:
    if len(persons) < 2:
        return []
    member, other = persons
    return state.matches.between(member.keepers, other.keepers)


def _unread(state: State, member_ids: Iterable[UUID]) -> Wider | None:
    """What has to be read to tell whom IDs lead to."""
    found = people(state, list(member_ids))
    return found if isinstance(found, Wider) else None


def _meant(state: State, member_id: UUID) -> UUID:
    member = state.member(member_id)
    assert member is not None, "a member never vanishes"
    return member.survivor_id or member.member_id


def _merged(match: Match) -> Rejection:
    assert match.merge_id is not None
    return errors.match_merged(ids.encode(MERGE, match.merge_id))


def _place(command: SettleMatch, match: Match, moment: Moment[Config]) -> Place:
    """Where the change is committed; a dry run is committed nowhere."""
    partition = moment.partition_of(match.member_id.int)
    return None if command.validate_only else (partition, moment.positions[partition])
