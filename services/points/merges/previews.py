"""What a merge, an unmerge or an erasure would do to wallets: decided by the rules that then do it, and not applied."""

from collections.abc import Iterable
from uuid import UUID

from services.chassis import ids
from services.chassis.member_records.commands import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.chassis.operations import Decided, Decision, Moment, Wider
from services.points import wire
from services.points.documents import PointsConfig
from services.points.heard import MovedAccount, UnmergeHeard
from services.points.merges import giving_back
from services.points.merges.others import person_loaded
from services.points.state_by_partition import StateByPartition
from services.points.values import Hold
from services.points.wallet import Wallet
from services.points.wallets.lots import held, settle
from tessera.records.v1 import member_records_pb2 as pb


def decide(states: StateByPartition, command: Preview, moment: Moment[PointsConfig]) -> Decided:
    """Decide one preview."""
    match command:
        case PreviewMerge():
            return _merge(states, command, moment)
        case PreviewUnmerge():
            return _unmerge(states, command, moment)
        case PreviewErasure():
            return _erasure(states, command, moment)


def _merge(states: StateByPartition, command: PreviewMerge, moment: Moment[PointsConfig]) -> Decided:
    persons = [person_loaded(states, each) for each in command.member_ids]
    for person in persons:
        if isinstance(person, Wider):
            return person
    sums = [_sums(states, person, moment) for person in persons if not isinstance(person, Wider)]
    effects = [
        pb.Effect(
            code="WALLETS_UNITED",
            details={
                "unit": unit,
                "survivor": str(sums[0].get(unit, 0)),
                "merged": str(amount),
                "together": str(sums[0].get(unit, 0) + amount),
            },
        )
        for unit, amount in sorted(sums[1].items())
    ]
    return Decision(None, pb.PreviewMergeResponse(effects=effects).SerializeToString)


def _sums(states: StateByPartition, person: Iterable[UUID], moment: Moment[PointsConfig]) -> dict[str, int]:
    """The balances of a person, what is held and pending in them."""
    sums: dict[str, int] = {}
    for wallet in _wallets(states, person, moment):
        sums[wallet.unit] = sums.get(wallet.unit, 0) + wallet.balance.balance
    return sums


def _wallets(states: StateByPartition, person: Iterable[UUID], moment: Moment[PointsConfig]) -> list[Wallet]:
    wallets = []
    for member_id in person:
        state = states.of_member(member_id)
        for unit in sorted({unit for owner_id, unit in state.balances if owner_id == member_id}):
            wallet = state.wallet(member_id, unit)
            settle(wallet, moment.at)
            wallets.append(wallet)
    return wallets


def _unmerge(states: StateByPartition, command: PreviewUnmerge, moment: Moment[PointsConfig]) -> Decided:
    heard = UnmergeHeard(
        unmerge_id=command.merge_id,
        holder_id=command.holder_id,
        member_id=command.member_id,
        absorbed_ids=command.absorbed_ids,
        accounts=tuple(MovedAccount(each, "") for each in command.account_ids),
        staying=(),
        whole=command.whole,
    )
    wider = giving_back.wider(states, heard, moment)
    if wider is not None:
        return wider
    given = giving_back.given_back(states, heard, moment)
    effects = [
        pb.Effect(
            code="WALLET_CHANGES",
            details={
                "unit": wallet.unit,
                "member_id": wire.member_id(wallet.member_id),
                "amount": f"{sum(entry.amount for entry in wallet.entries):+d}",
            },
        )
        for wallet in given.wallets
        if wallet.entries
    ]
    blockers = [_blocker(hold) for hold in given.holds]
    answer = pb.PreviewUnmergeResponse(effects=effects, blockers=blockers)
    return Decision(None, answer.SerializeToString)


def _erasure(states: StateByPartition, command: PreviewErasure, moment: Moment[PointsConfig]) -> Decided:
    person = person_loaded(states, command.member_id)
    if isinstance(person, Wider):
        return person
    wallets = _wallets(states, person, moment)
    effects = [
        pb.Effect(code="POINTS_FORFEITED", details={"unit": wallet.unit, "amount": str(amount)})
        for wallet in wallets
        if (amount := wallet.balance.balance - held(wallet, moment.at)) > 0 and wallet.lots
    ]
    blockers = [_blocker(hold) for wallet in wallets for hold in wallet.holds.values() if hold.state == "open"]
    return Decision(None, pb.PreviewErasureResponse(effects=effects, blockers=blockers).SerializeToString)


def _blocker(hold: Hold) -> pb.Blocker:
    return pb.Blocker(
        code="HOLD_OPEN",
        details={
            "hold_id": ids.encode("hold", hold.hold_id),
            "unit": hold.unit,
            "amount": str(hold.amount),
            "expires_at": hold.expires_at.isoformat(),
        },
    )
