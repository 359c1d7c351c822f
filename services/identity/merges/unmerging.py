"""How a member becomes two again: whole, or account by account."""

from dataclasses import replace

from services.chassis.operations import Decided, Decision, Moment
from services.identity import errors as identity_errors
from services.identity.matches.evaluating import new_match
from services.identity.matches.values import Match, MatchReason, MatchStatus
from services.identity.merges import errors, moving, rules, seats, wire
from services.identity.merges.changes import Rearranged
from services.identity.merges.commands import UnmergeMember
from services.identity.merges.values import Merge, Unmerge
from services.identity.state import State
from services.identity.values import Account, Config, Member, Status


def unmerge(state: State, command: UnmergeMember, moment: Moment[Config]) -> Decided:
    """Give back some accounts, or all that is left of a merge. What was given back before is not given again."""
    merge = state.merges.merge(command.merge_id)
    holder, member = state.member(command.holder_id), state.member(command.member_id)
    refusal = rules.unmerge_refusal(merge, member, command.account_ids)
    if refusal is not None or merge is None or member is None:
        return refusal or errors.MERGE_UNKNOWN
    if merge.undone_at is not None:
        return Decision(None, wire.nothing_to_unmerge)
    if holder is None or not _holds(state, holder, member, merge) or not holder.homes <= command.concerned.homes:
        return identity_errors.ACCOUNTS_CHANGED
    if holder.status is Status.CLOSED:
        return identity_errors.MEMBER_CLOSED
    absorbed = rules.still_absorbed(merge, holder.member_id, state.members())
    left = rules.returnable(merge, state.accounts(holder.member_id).values(), absorbed)
    going = [one for one in left if not command.account_ids or one.account_id in command.account_ids]
    if command.account_ids and not going:
        return Decision(None, wire.nothing_to_unmerge)
    return _give_back(state, command, merge, holder, member, absorbed, going, left, moment)


def _holds(state: State, holder: Member, member: Member, merge: Merge) -> bool:
    """Whether it is this member that has what came along: the survivor, or who that was merged into."""
    survivor = state.member(merge.survivor_id)
    if holder.survivor_id is not None or survivor is None:
        return False
    return (survivor.survivor_id or survivor.member_id) == holder.member_id and (
        member.survivor_id is None or member.survivor_id == holder.member_id
    )


def _give_back(
    state: State,
    command: UnmergeMember,
    merge: Merge,
    holder: Member,
    member: Member,
    absorbed: list[Member],
    going: list[Account],
    left: list[Account],
    moment: Moment[Config],
) -> Decided:
    whole = len(going) == len(left)
    alone = _alone(member, holder, going, absorbed if whole else [])
    routes = moving.routes_to(state, going, alone, command.concerned.routes)
    group_ids = command.concerned.group_ids
    given = seats.given_back(state, merge, holder.member_id, group_ids, command.unmerge_id, moment.at) if whole else ()
    if routes is None or given is None:
        return identity_errors.ACCOUNTS_CHANGED
    unmerge = Unmerge(
        unmerge_id=command.unmerge_id,
        merge_id=merge.merge_id,
        holder_id=holder.member_id,
        member_id=member.member_id,
        account_ids=frozenset(account.account_id for account in going),
        whole=whole,
        cause=command.cause,
        unmerged_by=command.caller,
        unmerged_at=moment.at,
    )
    leads_to = member.member_id if whole else holder.member_id
    change = Rearranged(
        merge._replace(undone_at=moment.at if whole else None),
        unmerge,
        members=(alone, *(replace(one, survivor_id=leads_to) for one in absorbed if whole)),
        accounts=tuple(replace(account, holder_id=member.member_id) for account in going),
        routes=routes,
        redirected={member.member_id: member.member_id} | {one.member_id: leads_to for one in absorbed},
        staying=tuple(account.account_id for account in left if account not in going),
        absorbed_ids=tuple(one.member_id for one in absorbed),
        groups=given,
        matches=_unmerged(state, holder, member, absorbed, unmerge, moment),
    )
    place = moving.place(command, holder.partition, moment)
    return Decision(change, lambda: wire.unmerged_answer(unmerge, place))


def _unmerged(
    state: State, holder: Member, member: Member, absorbed: list[Member], unmerge: Unmerge, moment: Moment[Config]
) -> tuple[Match, ...]:
    """Who says that they are two has decided it: they are merged no more by what they share now."""
    theirs = {member.member_id, *(one.member_id for one in absorbed)}
    ours = {holder.member_id, *holder.homes} - theirs
    matches = state.matches.between(ours, theirs) or [new_match(holder.member_id, member.member_id, moment)]
    return tuple(
        match._replace(
            status=MatchStatus.REFUSED,
            reason=MatchReason.UNMERGED,
            changed_at=moment.at,
            decided_at=moment.at,
            decided_by=unmerge.unmerged_by,
            cause=unmerge.cause,
        )
        for match in matches
    )


def _alone(member: Member, holder: Member, going: list[Account], absorbed: list[Member]) -> Member:
    """The member as it stands on its own. It is served as who held it was."""
    homes = {account.member_id for account in going} | {one.member_id for one in absorbed}
    return replace(
        member,
        status=holder.status if member.survivor_id is not None else member.status,
        survivor_id=None,
        merge_id=None,
        homes=member.homes | homes - {member.member_id},
    )
