"""Identity's work on a batch: load what its commands concern, decide each, fold in what was decided."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg

from services.chassis.errors import Rejection
from services.chassis.operations import Decided, Decision, Forwarded, Moment, Operations, Wider
from services.identity import errors, events, queries, rules, wire
from services.identity.commands import (
    ChangeStatus,
    Enrolment,
    Homes,
    IdentityCommand,
    LinkAccount,
    OfAccounts,
    OfMember,
    ResolveAccount,
    Rewrap,
    UnlinkAccount,
)
from services.identity.groups import belonging
from services.identity.groups import operations as groups
from services.identity.groups.changes import Changed
from services.identity.groups.commands import GroupCommand, meaning
from services.identity.identifiers import loading
from services.identity.identifiers import operations as identifiers
from services.identity.identifiers.changes import Known
from services.identity.identifiers.commands import AddIdentifier, Around, IdentifierCommand, OfIdentifier, Reindex
from services.identity.matches import operations as matches
from services.identity.matches.changes import Matched
from services.identity.matches.commands import CarryOutMatch, EvaluatePair, MatchCommand, MergeMatch, SettleMatch
from services.identity.merges import operations as merges
from services.identity.merges.changes import Rearranged
from services.identity.merges.commands import MergeCommand, MergeMembers, UnmergeMember
from services.identity.privacy import erasing
from services.identity.privacy import operations as privacy
from services.identity.privacy import rules as privacy_rules
from services.identity.privacy.changes import PrivacyChange
from services.identity.privacy.commands import EraseMember, ForgetPersons, SetConsent
from services.identity.state import State
from services.identity.values import Account, Config, Member, Route, Status


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision makes of the rows. Events are told in the member's partition, wherever the routes are."""

    partition: int
    events: tuple[bytes, ...] = ()
    member: Member | None = None
    account: Account | None = None
    routes: tuple[Route, ...] = ()
    left: Changed | None = None
    """The groups that a closed member left."""


NO_CHANGE = Change(0)

WithRoutes = OfAccounts | EraseMember
"""Commands that concern names."""
OfMerged = MergeCommand | EraseMember
"""Commands that concern members together with those that were merged into them."""

WithIdentifiers = IdentifierCommand | EvaluatePair | SettleMatch
"""Commands that concern what members are known by."""


async def load(
    connection: asyncpg.Connection, partition: int, commands: Sequence[IdentityCommand], state: State
) -> None:
    """Read the names and members that commands concern in one partition; those of other partitions are not found."""
    blind_indexes = {r.blind_index for command in commands if isinstance(command, WithRoutes) for r in command.routes}
    with_accounts = {command.member_id for command in commands if isinstance(command, OfMember)}
    merging = {one for command in commands if isinstance(command, OfMerged) for one in command.member_ids}
    deciding = {command.member_id for command in commands if isinstance(command, SetConsent)}
    in_groups = {one for command in commands if isinstance(command, GroupCommand) for one in command.member_ids}
    known = {one for command in commands if isinstance(command, WithIdentifiers) for one in command.member_ids}
    rewrapped = {command.member_id for command in commands if isinstance(command, Rewrap)}
    unlinked = [command.account_id for command in commands if isinstance(command, UnlinkAccount)]
    holders = list(with_accounts | merging)
    member_ids = list(with_accounts | merging | in_groups | deciding | known | rewrapped)
    routes = await queries.load_routes(connection, partition, list(blind_indexes)) if blind_indexes else []
    members = await queries.load_members(connection, partition, member_ids) if member_ids else []
    joined = merging | known | privacy.stitched(commands, state.config)
    if joined:
        members += await queries.load_merged(connection, partition, list(joined))
    accounts = await queries.load_accounts(connection, partition, holders) if holders else []
    if unlinked:
        accounts += await queries.load_linked(connection, partition, unlinked)
    state.fill(members, accounts, routes)
    await groups.load(connection, partition, commands, state)
    await merges.load(connection, partition, commands, state)
    await privacy.load(connection, partition, commands, state)
    await loading.load(connection, partition, commands, state)


def decide(state: State, command: IdentityCommand, moment: Moment[Config]) -> Decided:
    """Decide one command. Whatever is asked of a member that was erased is refused."""
    if erasing.is_erased(state, _concerned(command)):
        return errors.MEMBER_ERASED
    match command:
        case ResolveAccount():
            return _resolve(state, command, moment)
        case LinkAccount():
            return _link(state, command, moment)
        case UnlinkAccount():
            return _unlink(state, command, moment)
        case ChangeStatus():
            return _change_status(state, command, moment)
        case EvaluatePair() | SettleMatch() | MergeMatch() | CarryOutMatch():
            return matches.decide(state, command, moment)
        case MergeMembers() | UnmergeMember():
            return merges.decide(state, command, moment)
        case SetConsent() | EraseMember() | ForgetPersons():
            return privacy.decide(state, command, moment)
        case AddIdentifier() | OfIdentifier() | Reindex():
            return identifiers.decide(state, command, moment)
        case Rewrap():
            return _rewrap(state, command)
        case Homes() | Around():
            raise TypeError("it is there to be locked, not to be decided")
        case _:
            return _in_groups(state, command, moment)


def _concerned(command: IdentityCommand) -> tuple[UUID, ...]:
    """The members that a command names."""
    if isinstance(command, OfMember | SetConsent | AddIdentifier):
        return (command.member_id,)
    if isinstance(command, OfIdentifier):
        return (command.added_to, command.member_id)
    return () if isinstance(command, ResolveAccount | ForgetPersons | Rewrap | MatchCommand) else command.member_ids


def apply(
    state: State, change: Change | Changed | Rearranged | PrivacyChange | Known | Matched | None, moment: Moment[Config]
) -> None:
    """Fold a change into the state."""
    if change is None:
        return
    if not isinstance(change, Change):
        change.apply(state, moment)
        return
    if change.member is not None:
        state.put_member(change.member)
    if change.account is not None:
        state.put_account(change.account)
    for route in change.routes:
        state.put_route(route)
    for event in change.events:
        state.tell(change.partition, event)
    if change.left is not None:
        change.left.apply(state, moment)


def _resolve(state: State, command: ResolveAccount, moment: Moment[Config]) -> Decided:
    """A name that leads to a member is answered; another one enrols a member, if that is wanted."""
    route = state.route(command.route.blind_index)
    if route is not None and route.is_linked:
        known = route
        return Decision(NO_CHANGE, lambda: wire.known_answer(known), keeps_itself=True)
    refusal = rules.enrolment_refusal(state.config, command.domain)
    if refusal is not None:
        return refusal
    if command.enrolment is None:
        return errors.ACCOUNT_UNKNOWN
    return _enrol(command, command.enrolment, moment)


def _enrol(command: ResolveAccount, enrolment: Enrolment, moment: Moment[Config]) -> Decision:
    partition, blind_index = command.route.partition, command.route.blind_index
    member = Member(partition, enrolment.member_id, Status.ACTIVE, moment.at, enrolment.data_key, enrolment.attributes)
    account = Account(
        partition=partition,
        account_id=enrolment.account_id,
        member_id=enrolment.member_id,
        domain=command.domain,
        blind_index=blind_index,
        external_id=enrolment.external_id,
        verified=enrolment.verified,
        linked_at=moment.at,
        unlinked_at=None,
        holder_id=enrolment.member_id,
    )
    route = Route(
        partition, blind_index, enrolment.account_id, enrolment.member_id, Status.ACTIVE, enrolment.enrolled_by
    )
    told = (events.member_enrolled(member), events.account_linked(account))
    change = Change(partition, told, member, account, (route,))
    position = _position(command, moment, partition)
    return Decision(change, lambda: wire.enrolled_answer(route, position))


def _in_groups(state: State, command: GroupCommand, moment: Moment[Config]) -> Decided:
    """A member that was merged is in its groups as its survivor."""
    merged = {
        member_id: member.survivor_id
        for member_id in command.member_ids
        if (member := state.member(member_id)) is not None and member.survivor_id is not None
    }
    return Forwarded(meaning(command, merged)) if merged else groups.decide(state, command, moment)


def _elsewhere(state: State, member: Member | None, moment: Moment[Config]) -> Wider | None:
    """What else has to be read of a member: accounts that are kept in partitions of others, since a merge."""
    if member is None or all(moment.partition_of(home.int) in moment.positions for home in member.homes):
        return None
    return Wider(Homes(member.member_id, member.homes))


def _link(state: State, command: LinkAccount, moment: Moment[Config]) -> Decided:
    member = state.member(command.member_id)
    if member is not None and member.survivor_id is not None:
        return Forwarded(command.meaning(member.survivor_id))
    if (wider := _elsewhere(state, member, moment)) is not None:
        return wider
    route = state.route(command.route.blind_index)
    accounts = state.accounts(command.member_id)
    refusal = rules.link_refusal(state.config, member, command.domain, route, accounts.values())
    if refusal is not None or member is None:
        return refusal or errors.MEMBER_UNKNOWN
    if route is not None and route.account_id is not None:
        return _link_again(command, accounts[route.account_id])
    domains = {command.domain, *(account.domain for account in accounts.values())}
    refusal = privacy_rules.stitching_refusal(state.config, domains, state.decisions(command.member_id), len(domains))
    if refusal is not None:
        return refusal
    external_id = command.sealed_external_id()
    if external_id is None:
        return errors.ACCOUNTS_CHANGED
    account = Account(
        partition=member.partition,
        account_id=command.account_id,
        member_id=member.member_id,
        domain=command.domain,
        blind_index=command.route.blind_index,
        external_id=external_id,
        verified=command.verified,
        linked_at=moment.at,
        unlinked_at=None,
        holder_id=member.member_id,
    )
    new_route = Route(
        command.route.partition, command.route.blind_index, account.account_id, member.member_id, member.status, 0
    )
    change = Change(member.partition, (events.account_linked(account),), account=account, routes=(new_route,))
    position = _position(command, moment, member.partition)
    return Decision(change, lambda: wire.linked_answer(account, position))


def _link_again(command: LinkAccount, account: Account) -> Decision:
    """The account is the member's already; what is verified now stays verified."""
    if account.verified or not command.verified:
        return Decision(NO_CHANGE, lambda: wire.linked_before_answer(account))
    verified = replace(account, verified=True)
    return Decision(Change(account.partition, account=verified), lambda: wire.linked_before_answer(verified))


def _unlink(state: State, command: UnlinkAccount, moment: Moment[Config]) -> Decided:
    holder_id = state.holder(command.account_id)
    if holder_id is not None and holder_id != command.member_id:
        return Forwarded(command.meaning(holder_id))
    member, accounts = state.member(command.member_id), state.accounts(command.member_id)
    if (wider := _elsewhere(state, member, moment)) is not None:
        return wider
    refusal = rules.unlink_refusal(member, command.account_id, accounts.keys())
    if refusal is not None:
        return refusal
    account = replace(accounts[command.account_id], unlinked_at=moment.at)
    route = Route(command.route.partition, command.route.blind_index, None, None, Status.ACTIVE, 0)
    partition = moment.partition_of(account.holder_id.int)
    change = Change(partition, (events.account_unlinked(account),), account=account, routes=(route,))
    position = _position(command, moment, partition)
    return Decision(change, lambda: wire.unlinked_answer(account, position))


def _change_status(state: State, command: ChangeStatus, moment: Moment[Config]) -> Decided:
    """The routes of all the member's accounts tell its status too, and a closed member leaves its groups.

    An account linked meanwhile, or a group joined, means to begin anew.
    """
    found = state.member(command.member_id)
    if found is not None and (found.survivor_id is not None or not found.homes <= command.homes):
        return errors.ACCOUNTS_CHANGED
    refusal = rules.status_refusal(found, command.change)
    if refusal is not None or found is None:
        return refusal or errors.MEMBER_UNKNOWN
    member = replace(found, status=rules.STATUS_AFTER[command.change])
    routes = _routes_of(state, command)
    if isinstance(routes, Rejection):
        return routes
    is_closed = command.change is rules.StatusChange.CLOSE
    left = belonging.leave_all(state, command.member_id, command.group_ids, moment.at) if is_closed else None
    if isinstance(left, Rejection):
        return left
    change = Change(
        member.partition,
        (events.member_status_changed(member, moment.at, command.cause),),
        member=member,
        routes=tuple(replace(route, status=member.status) for route in routes),
        left=left,
    )
    position = _position(command, moment, member.partition)
    return Decision(change, lambda: wire.status_answer(command.change, member, position))


def _routes_of(state: State, command: ChangeStatus) -> list[Route] | Rejection:
    owned = {route.blind_index for route in command.routes}
    accounts = state.accounts(command.member_id).values()
    routes = [state.route(account.blind_index) for account in accounts if account.blind_index in owned]
    if len(routes) < len(accounts):
        return errors.ACCOUNTS_CHANGED
    return [route for route in routes if route is not None]


def _rewrap(state: State, command: Rewrap) -> Decision:
    """What was wrapped again, or destroyed, meanwhile stays as it is."""
    member = state.member(command.member_id)
    if member is None or member.data_key != command.before:
        return Decision(None, bytes)
    return Decision(Change(member.partition, member=replace(member, data_key=command.after)), bytes)


def _position(command: IdentityCommand, moment: Moment[Any], partition: int) -> tuple[int, int] | None:
    """Where the command's change is committed; a dry run is committed nowhere."""
    return None if command.validate_only else (partition, moment.positions[partition])


OPERATIONS: Operations[State, Config] = Operations(
    new_state=State, load=load, decide=decide, apply=apply, undivided=lambda state: state.undivided
)
