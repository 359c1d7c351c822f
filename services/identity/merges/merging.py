"""How two members become one."""

from dataclasses import replace

from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Moment
from services.identity import errors as identity_errors
from services.identity.matches.evaluating import names_differ, person_of
from services.identity.matches.values import Match, MatchReason, MatchStatus
from services.identity.merges import errors, moving, rules, seats, wire
from services.identity.merges.changes import Rearranged
from services.identity.merges.commands import MergeMembers
from services.identity.merges.values import Merge
from services.identity.privacy import rules as privacy_rules
from services.identity.state import State
from services.identity.values import Config, Member, Status
from services.identity.wire import Place


def merge(state: State, command: MergeMembers, moment: Moment[Config]) -> Decided:
    """Merge a member into another. Whoever came along, or whatever, since the command was made means to begin anew."""
    sent, survivor = state.member(command.sent_id), state.member(command.survivor_id)
    merged = state.member(command.merged_id)
    if survivor is not None and survivor.survivor_id is not None:
        return identity_errors.ACCOUNTS_CHANGED
    refusal = rules.merge_refusal(sent, survivor, merged)
    if refusal is not None or survivor is None or merged is None:
        return refusal or identity_errors.MEMBER_UNKNOWN
    absorbed, concerned = state.merged_into(merged.member_id), command.concerned
    homes = survivor.homes | merged.homes
    if not (homes <= concerned.homes and {member.member_id for member in absorbed} <= concerned.absorbed):
        return identity_errors.ACCOUNTS_CHANGED
    persons = person_of(state, survivor), person_of(state, merged)
    if (differing := names_differ(state.config, *persons)) is not None:
        return errors.real_names_differ(differing)
    refusal = _stitching_refusal(state, survivor, merged)
    if refusal is not None:
        return refusal
    accounts = tuple(state.accounts(merged.member_id).values())
    routes = moving.routes_to(state, accounts, survivor, concerned.routes)
    moved = seats.moved(state, merged.member_id, survivor.member_id, concerned.group_ids, command.merge_id, moment.at)
    if routes is None or moved is None:
        return identity_errors.ACCOUNTS_CHANGED
    made = Merge(
        merge_id=command.merge_id,
        survivor_id=survivor.member_id,
        merged_id=merged.member_id,
        cause=command.cause,
        merged_by=command.caller,
        merged_at=moment.at,
        account_ids=frozenset(account.account_id for account in accounts),
        absorbed=rules.absorbed_with(absorbed),
        seats=moved.pairs,
        undone_at=None,
    )
    redirected = (merged, *absorbed)
    change = Rearranged(
        made,
        members=(_with_homes(survivor, merged), _into(merged, survivor, made), *_led_to(absorbed, survivor)),
        accounts=tuple(replace(account, holder_id=survivor.member_id) for account in accounts),
        routes=routes,
        redirected={member.member_id: survivor.member_id for member in redirected},
        groups=moved.changes,
        matches=tuple(
            _by_merge(match, made) for match in state.matches.between(persons[0].keepers, persons[1].keepers)
        ),
    )
    place = place_of(command, moment)
    return Decision(change, lambda: wire.merged_answer(made, place))


def place_of(command: MergeMembers, moment: Moment[Config]) -> Place:
    """Where a merge is committed: in the survivor's partition."""
    return moving.place(command, moment.partition_of(command.survivor_id.int), moment)


def _by_merge(match: Match, made: Merge) -> Match:
    return match._replace(
        status=MatchStatus.MERGED,
        reason=MatchReason.DECIDED,
        changed_at=made.merged_at,
        decided_at=made.merged_at,
        decided_by=made.merged_by,
        cause=made.cause,
        merge_id=made.merge_id,
    )


def _stitching_refusal(state: State, *members: Member) -> Rejection | None:
    """Why the accounts of members cannot be one member's: each of them agrees for the domains of its own accounts."""
    own = {one.member_id: {account.domain for account in state.accounts(one.member_id).values()} for one in members}
    together = len(set().union(*own.values()))
    refusals = (
        privacy_rules.stitching_refusal(state.config, domains, state.decisions(member_id), together)
        for member_id, domains in own.items()
    )
    return next((refusal for refusal in refusals if refusal is not None), None)


def _with_homes(survivor: Member, merged: Member) -> Member:
    return replace(survivor, homes=survivor.homes | merged.homes | {merged.member_id} - {survivor.member_id})


def _into(merged: Member, survivor: Member, by: Merge) -> Member:
    return replace(merged, status=Status.MERGED, survivor_id=survivor.member_id, merge_id=by.merge_id)


def _led_to(absorbed: list[Member], survivor: Member) -> list[Member]:
    return [replace(member, survivor_id=survivor.member_id) for member in absorbed]
