"""What a merge, an unmerge or an erasure would do: decided by the rules that then do it, and not applied."""

from collections.abc import Iterable
from uuid import UUID

from services.benefits import wire
from services.benefits.merges import following
from services.benefits.merges.commands import LoadPersons
from services.benefits.merges.values import ErasureHeard, MergeHeard, MovedAccount, Outcome, UnmergeHeard
from services.benefits.states import Work
from services.chassis import ids
from services.chassis.member_records.commands import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.chassis.operations import Decided, Decision, Wider
from tessera.records.v1 import member_records_pb2 as pb


def decide(work: Work, command: Preview) -> Decided:
    """Decide one preview."""
    match command:
        case PreviewMerge():
            return _merge(work, command)
        case PreviewUnmerge():
            return _unmerge(work, command)
        case PreviewErasure():
            return _erasure(work, command)


def _merge(work: Work, command: PreviewMerge) -> Decided:
    survivor_id, merged_id = (_meant(work, each) for each in command.member_ids)
    effects: list[pb.Effect] = []
    if survivor_id != merged_id:
        heard = MergeHeard(None, survivor_id, merged_id, (), ())
        if (wider := _not_loaded(work, heard.member_ids)) is not None:
            return wider
        outcome = following.merged(work, heard)
        effects = [*_moved(outcome, "ENTITLEMENTS_MOVE"), *_changed(outcome), *_quotas(outcome, "QUOTA_UNITED")]
    return Decision((), pb.PreviewMergeResponse(effects=effects).SerializeToString)


def _unmerge(work: Work, command: PreviewUnmerge) -> Decided:
    if (wider := _not_loaded(work, command.member_ids)) is not None:
        return wider
    heard = UnmergeHeard(
        merge_id=None,
        holder_id=command.holder_id,
        member_id=command.member_id,
        absorbed_ids=command.absorbed_ids,
        accounts=tuple(MovedAccount(each, "") for each in command.account_ids),
        whole=command.whole,
    )
    outcome = following.unmerged(work, heard)
    effects = [
        *_moved(outcome, "ENTITLEMENTS_GIVEN_BACK"),
        *_changed(outcome),
        *_quotas(outcome, "QUOTA_GIVEN_BACK"),
    ]
    return Decision((), pb.PreviewUnmergeResponse(effects=effects).SerializeToString)


def _erasure(work: Work, command: PreviewErasure) -> Decided:
    heard = ErasureHeard(_meant(work, command.member_id))
    if (wider := _not_loaded(work, heard.member_ids)) is not None:
        return wider
    effects = _changed(following.erased(work, heard))
    return Decision((), pb.PreviewErasureResponse(effects=effects).SerializeToString)


def _not_loaded(work: Work, member_ids: tuple[UUID, ...]) -> Wider | None:
    if all(each in work.state_of(each).whole for each in member_ids):
        return None
    return Wider(LoadPersons(member_ids))


def _meant(work: Work, member_id: UUID) -> UUID:
    """Whom an ID leads to."""
    return work.of(member_id).member(member_id).leads_to or member_id


def _moved(outcome: Outcome, code: str) -> list[pb.Effect]:
    return [
        pb.Effect(code=code, details={"benefit": benefit, "count": str(count)})
        for benefit, count in outcome.moved.items()
    ]


def _changed(outcome: Outcome) -> list[pb.Effect]:
    return [
        *_of_each("ENTITLEMENT_REVOKED", outcome.revoked),
        *_of_each("ENTITLEMENT_RESTORED", outcome.restored),
    ]


def _of_each(code: str, entitlement_ids: Iterable[UUID]) -> list[pb.Effect]:
    return [
        pb.Effect(code=code, details={"entitlement_id": ids.encode(wire.ENTITLEMENT, each)}) for each in entitlement_ids
    ]


def _quotas(outcome: Outcome, code: str) -> list[pb.Effect]:
    return [
        pb.Effect(code=code, details={"benefit": moved.benefit, "moved": str(moved.moved), "used": str(moved.used)})
        for moved in outcome.quotas
    ]
