"""What an unmerge gives back to the member that leaves.

That is what came through its accounts to wallets of the others, and what these had brought over from it and not used.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis import ids
from services.chassis.operations import Moment, Wider
from services.points.documents import PointsConfig
from services.points.heard import MergeHeard, UnmergeHeard
from services.points.merges import counts, parting, rules
from services.points.merges.commands import LoadOthers, LoadProvenance
from services.points.merges.parting import Goes
from services.points.state import PointsState
from services.points.state_by_partition import StateByPartition
from services.points.values import Hold, Lot
from services.points.wallet import Wallet
from services.points.wallets.lots import settle


def wider(
    states: StateByPartition, heard: UnmergeHeard, moment: Moment[PointsConfig], before: Iterable[MergeHeard] = ()
) -> Wider | None:
    """What has to be loaded before something can be given back: the wallets of the whole person, and of those of whom
    merges tell that come before it in the same stretch of the feed."""
    coming = (each for merge in before for each in (merge.survivor_id, *merge.merged_ids))
    everybody = tuple(dict.fromkeys((*parting.person(states, heard), *heard.absorbed_ids, *coming)))
    missing = [each for each in everybody if (heard.unmerge_id, each) not in states.with_provenance]
    accounts = (*(account.account_id for account in heard.accounts), *heard.staying)
    since = counts.since(moment.config, moment.at)
    if missing:
        leaving = (heard.member_id, *heard.absorbed_ids) if heard.whole else ()
        return Wider(LoadProvenance(heard.unmerge_id, tuple(missing), accounts, leaving, since))
    pairs = {(heard.holder_id, account_id) for account_id in _through_which(states, everybody)} - states.with_accounts
    return Wider(LoadOthers(accounts=tuple(sorted(pairs)))) if pairs else None


class GivenBack(NamedTuple):
    """The wallets that an unmerge changes, and the open holds in which something stays that should go, too."""

    wallets: tuple[Wallet, ...]
    holds: tuple[Hold, ...]


def given_back(states: StateByPartition, heard: UnmergeHeard, moment: Moment[PointsConfig]) -> GivenBack:
    """What goes to the member that leaves, and (account by account) what stays with the others. Pure."""
    leaving = {heard.member_id, *(heard.absorbed_ids if heard.whole else ())}
    others = [each for each in parting.person(states, heard) if each not in leaving]
    accounts = {account.account_id for account in heard.accounts}
    stays = {account_id for each in leaving for account_id, _ in states.of_member(each).link(each).gone} - accounts
    came_from = {ids.routing_of(member_id) for member_id in leaving} if heard.whole else set()

    def goes(account_id: UUID | None) -> bool:
        return account_id in accounts

    stays_in_part = not heard.whole and parting.leaves(states, heard)
    following, stays_there = parting.leaving_whole(states, heard), parting.stays(states, heard)
    open_units = {unit for member_id in (*others, *leaving) for unit in _units(states.of_member(member_id), member_id)}
    wallets: list[Wallet] = []
    holds: list[Hold] = []
    for unit in sorted(open_units):
        concerned = (heard.member_id, *others, *following)
        of_unit = {each: states.of_member(each).wallet(each, unit) for each in concerned}
        member = of_unit[heard.member_id]
        for other in others:
            brought = states.of_member(other).brought_over
            belongs = _belongs(goes, stays_there, brought, came_from, stays)
            _give(of_unit[other], member, belongs, goes, heard.unmerge_id, moment.at)
            holds += _holding(of_unit[other], belongs)
        if stays_in_part:
            _give(
                member,
                of_unit[heard.holder_id],
                lambda lot: not goes(lot.account_id),
                lambda account_id: not goes(account_id),
                heard.unmerge_id,
                moment.at,
            )
            holds += _holding(member, lambda lot: not goes(lot.account_id))
        for each in following:
            wallet, holder = of_unit[each], of_unit[heard.holder_id]
            _give(wallet, holder, _through(stays_there), stays_there, heard.unmerge_id, moment.at)
            holds += _holding(wallet, _through(stays_there))
        _move_scores(states, heard, unit, of_unit, goes, stays_there)
        wallets += [wallet for wallet in of_unit.values() if wallet.entries or wallet.changed_lots]
    return GivenBack(tuple(wallets), tuple(holds))


def _belongs(
    goes: Goes, stays_there: Goes, brought_over: Collection[UUID], came_from: Collection[int], stays: Collection[UUID]
) -> Callable[[Lot], bool]:
    """Whether a lot in a wallet of the others goes: it came through an account that goes, or was brought over from who
    leaves, by whatever account (they route like the member that they were linked to) but those that left before."""
    return lambda lot: (
        goes(lot.account_id)
        or (
            lot.source_id in brought_over
            and lot.account_id is not None
            and lot.account_id not in stays
            and not stays_there(lot.account_id)
            and ids.routing_of(lot.account_id) in came_from
        )
    )


def _through(goes: Goes) -> Callable[[Lot], bool]:
    return lambda lot: goes(lot.account_id)


def _through_which(states: StateByPartition, member_ids: Iterable[UUID]) -> set[UUID]:
    """The accounts through which something came that is in a wallet of members, or counts for them."""
    found: set[UUID | None] = set()
    for member_id in member_ids:
        state = states.of_member(member_id)
        for unit in _units(state, member_id):
            found |= {lot.account_id for lot in state.lots[member_id, unit].lots.values()}
        found |= {part.account_id for part in state.scores.get(member_id, ())}
        found |= {drawn.account_id for drawn in state.drawn.get(member_id, ())}
    return {account_id for account_id in found if account_id is not None}


def _give(source: Wallet, target: Wallet, belongs: Callable[[Lot], bool], goes: Goes, by: UUID, at: datetime) -> None:
    settle(source, at)
    uses = rules.take(source, belongs)
    if uses:
        rules.move(source, target, uses, by, at)
    rules.move_debts(source, target, goes, by, at)


def _holding(wallet: Wallet, belongs: Callable[[Lot], bool]) -> list[Hold]:
    """The open holds of a wallet that hold something of lots which belong to somebody else."""
    return [
        hold
        for hold in wallet.holds.values()
        if hold.state == "open" and any(belongs(wallet.lots[use.lot_id]) for use in hold.uses)
    ]


def _move_scores(
    states: StateByPartition,
    heard: UnmergeHeard,
    unit: str,
    wallets: dict[UUID, Wallet],
    goes: Goes,
    stays: Goes,
) -> None:
    """What counted through accounts that go, whoever's score it counted for; and the other way, what stays."""
    member, stays_in_part = wallets[heard.member_id], not heard.whole and parting.leaves(states, heard)
    following = parting.leaving_whole(states, heard)
    for owner_id, wallet in wallets.items():
        for part in states.of_member(owner_id).scores.get(owner_id, ()):
            if part.unit != unit or part.account_id is None:
                continue
            if owner_id in following:
                if stays(part.account_id):
                    rules.move_score(wallet, wallets[heard.holder_id], part, heard.unmerge_id)
            elif owner_id != heard.member_id and goes(part.account_id):
                rules.move_score(wallet, member, part, heard.unmerge_id)
            elif owner_id == heard.member_id and stays_in_part and not goes(part.account_id):
                rules.move_score(member, wallets[heard.holder_id], part, heard.unmerge_id)


def _units(state: PointsState, member_id: UUID) -> set[str]:
    return {unit for owner_id, unit in state.balances if owner_id == member_id}
