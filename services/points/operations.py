"""The order of steps of points' unit of work: load what a batch needs, decide each command, fold it in."""

from dataclasses import dataclass
from uuid import UUID

from services.chassis.feed_batch import FeedBatch
from services.chassis.member_records.commands import PreviewErasure, PreviewMerge, PreviewUnmerge
from services.chassis.operations import Decided, Decision, Moment, Operations
from services.points.activities import completion, parking, refunds, releasing
from services.points.activities import operations as activities
from services.points.activities.clawbacks import Refunded
from services.points.adjustments import operations as adjustments
from services.points.adjustments.commands import Adjust, ResolveAdjustment
from services.points.commands import (
    BuryParkedRefunds,
    CompleteActivity,
    Convert,
    Forfeit,
    Grant,
    RecordActivity,
    RefundActivity,
    RefundSpend,
    ResolveParkedRefund,
    ReverseActivity,
    Spend,
)
from services.points.documents import PointsConfig
from services.points.gifts import operations as gifts
from services.points.gifts.commands import AcceptGift, CancelGift, Give
from services.points.groups import operations as groups
from services.points.groups.values import GroupSeat
from services.points.heard import AccountHeard, ErasureHeard, Heard, MemberHeard, MergeHeard, UnmergeHeard
from services.points.keys import Command, CommandOfOne
from services.points.loading import load
from services.points.merges import erasing, following, giving_back, previews
from services.points.merges.commands import NoteChecked
from services.points.merges.elsewhere import elsewhere
from services.points.merges.values import Merge
from services.points.movements import operations as movements
from services.points.partners import operations as partners
from services.points.partners.commands import (
    AnswerPartnerConversion,
    SettlePartnerConversion,
    StartPartnerConversion,
)
from services.points.state import PointsState
from services.points.state_by_partition import StateByPartition
from services.points.values import Account
from services.points.wallet import Wallet
from services.points.wallets import operations as wallets


@dataclass(frozen=True, slots=True)
class _Followed:
    """Events of another service on a partition, to be folded in as they are."""

    partition: int
    events: tuple[Heard, ...]


def decide(states: StateByPartition, command: Command, moment: Moment[PointsConfig]) -> Decided:
    """Decide one command, by whom the IDs in it lead to."""
    states.mask = moment.mask
    if (needed := elsewhere(states, command, moment)) is not None:
        return needed
    match command:
        case FeedBatch():
            return _follow(states, command, moment)
        case NoteChecked():
            return Decision(command.merge._replace(is_checked=True), lambda: b"")
        case PreviewMerge() | PreviewUnmerge() | PreviewErasure():
            return previews.decide(states, command, moment)
        case Give() | AcceptGift() | CancelGift():
            return gifts.decide(states, command, moment)
        case Spend(group_id=UUID()):
            return groups.spend(states, command, moment)
        case RefundSpend() if command.spend_id in states.of(moment.partition_of(command.owners[0])).pooled_spends:
            return groups.refund(states, command, moment)
        case _:
            partition = moment.partition_of(_home(command))
            return _decide(states.of(partition), command, moment.within(partition))


def _home(command: CommandOfOne) -> int:
    """Where a command is decided: its only owner, unless it was sent to an ID that leads there."""
    return command.owners[-1]


def _follow(states: StateByPartition, batch: FeedBatch, moment: Moment[PointsConfig]) -> Decided:
    """What another service tells; giving back may need wallets that are not loaded."""
    heard = tuple(event for record in batch.records for event in record.events)
    merges = [event for event in heard if isinstance(event, MergeHeard)]
    for event in heard:
        if isinstance(event, UnmergeHeard) and (wider := giving_back.wider(states, event, moment, merges)) is not None:
            return wider
        if isinstance(event, ErasureHeard) and (wider := erasing.wider(states, event)) is not None:
            return wider
    return Decision(_Followed(batch.partition, heard), lambda: b"")


def _decide(state: PointsState, command: CommandOfOne, moment: Moment[PointsConfig]) -> Decided:
    """Decide a command that concerns one partition."""
    match command:
        case RecordActivity():
            return activities.record(state, command, moment)
        case ReverseActivity():
            return refunds.reverse(state, command, moment)
        case CompleteActivity():
            return completion.complete(state, command, moment)
        case ResolveParkedRefund():
            return parking.resolve(state, command, moment)
        case BuryParkedRefunds():
            return parking.bury(state, command, moment)
        case RefundActivity():
            return refunds.refund(state, command, moment)
        case Adjust() | ResolveAdjustment():
            return adjustments.decide(state, command, moment)
        case Grant() | Forfeit() | Convert():
            return movements.decide(state, command, moment)
        case StartPartnerConversion() | AnswerPartnerConversion() | SettlePartnerConversion():
            return partners.decide(state, command, moment)
        case _:
            return wallets.decide(state, command, moment)


def apply(states: StateByPartition, outcome: object, moment: Moment[PointsConfig]) -> None:
    """Fold an outcome into the states of the partitions that it concerns."""
    match outcome:
        case activities.Recorded() | Refunded() | parking.Parked() | releasing.Completing():
            partition = moment.partition_of(outcome.member_id.int)
            outcome.apply(states.of(partition), moment.within(partition))
        case gifts.Changed() | groups.Pooled():
            outcome.apply(states, moment)
        case adjustments.Adjusted():
            outcome.apply(states.of(moment.partition_of(outcome.adjustment.member_id.int)))
        case partners.Changed():
            outcome.apply(states.of(moment.partition_of(outcome.conversion.member_id.int)))
        case Merge():
            states.of_member(outcome.survivor_id).put_merge(outcome)
        case _Followed():
            for event in outcome.events:
                _hear(states, outcome.partition, event, moment)
        case list():
            for wallet in outcome:
                assert isinstance(wallet, Wallet)
                states.of(moment.partition_of(wallet.member_id.int)).put_wallet(wallet)
        case _:
            raise TypeError(f"no outcome of points: {outcome!r}")


def _hear(states: StateByPartition, partition: int, event: Heard, moment: Moment[PointsConfig]) -> None:
    state = states.of(partition)
    match event:
        case ErasureHeard():
            erasing.erase(states, event, moment)
        case MergeHeard():
            following.merged(states, event)
        case UnmergeHeard():
            for wallet in giving_back.given_back(states, event, moment).wallets:
                states.of_member(wallet.member_id).put_wallet(wallet)
            following.counted_apart(states, event)
            following.unmerged(states, event)
        case MemberHeard():
            state.put_member(event.member_id, event.status)
        case AccountHeard():
            state.put_account(Account(event.account_id, event.member_id, event.domain, event.linked))
        case GroupSeat():
            state.put_seat(event)
        case _:
            state.put_standing(event.member_id, event.ladder, event.effective_from, event.level)


OPERATIONS: Operations[StateByPartition, PointsConfig] = Operations(StateByPartition, load, decide, apply)
