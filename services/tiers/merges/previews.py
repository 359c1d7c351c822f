"""What a merge, an unmerge or an erasure would do: decided by the rules that then do it, and not applied."""

from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.member_records.commands import Preview, PreviewErasure, PreviewMerge, PreviewUnmerge
from services.chassis.operations import Decided, Decision, Wider
from services.tiers.merges import following
from services.tiers.merges.commands import LoadPersons
from services.tiers.merges.values import MergeHeard, Outcome, Placed, ScoreMoved, UnmergeHeard
from services.tiers.state import has_ended, rank_of
from services.tiers.states import Work
from services.tiers.values import MEMBER
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
        if not work.are_loaded((survivor_id, merged_id)):
            return Wider(LoadPersons((survivor_id, merged_id)))
        outcome = following.merged(work, MergeHeard(survivor_id, merged_id, (), (), work.moment.at))
        effects = _effects(outcome, "SCORE_UNITED")
    return Decision({}, pb.PreviewMergeResponse(effects=effects).SerializeToString)


def _unmerge(work: Work, command: PreviewUnmerge) -> Decided:
    if not work.are_loaded(command.member_ids):
        return Wider(LoadPersons(command.member_ids))
    heard = UnmergeHeard(
        holder_id=command.holder_id,
        member_id=command.member_id,
        absorbed_ids=command.absorbed_ids,
        account_ids=command.account_ids,
        whole=command.whole,
        at=work.moment.at,
    )
    effects = _effects(following.unmerged(work, heard), "SCORE_GIVEN_BACK")
    return Decision({}, pb.PreviewUnmergeResponse(effects=effects).SerializeToString)


def _erasure(work: Work, command: PreviewErasure) -> Decided:
    member_id = _meant(work, command.member_id)
    if not work.are_loaded((member_id,)):
        return Wider(LoadPersons((member_id,)))
    changes = work.of(member_id)
    effects = []
    for ladder in work.moment.config.ladders.values():
        history = changes.history((member_id, ladder.code))
        if history and not has_ended(history):
            level = ladder.levels[rank_of(ladder, history[-1])].code
            effects.append(pb.Effect(code="STANDING_ENDS", details={"ladder": ladder.code, "level": level}))
    return Decision({}, pb.PreviewErasureResponse(effects=effects).SerializeToString)


def _meant(work: Work, member_id: UUID) -> UUID:
    """Whom an ID leads to."""
    link = work.of(member_id).link(member_id)
    return member_id if link is None or link.leads_to is None else link.leads_to


def _effects(outcome: Outcome, code: str) -> list[pb.Effect]:
    return [*(_moved(code, moved) for moved in outcome.moved), *(_placed(placed) for placed in outcome.placed)]


def _moved(code: str, moved: ScoreMoved) -> pb.Effect:
    details = {
        "unit": moved.unit,
        "amount": str(moved.amount),
        "days": str(moved.days),
        "from_member_id": ids.encode(MEMBER, moved.from_id),
        "to_member_id": ids.encode(MEMBER, moved.to_id),
    }
    return pb.Effect(code=code, details=details)


def _placed(placed: Placed) -> pb.Effect:
    details = {
        "member_id": ids.encode(MEMBER, placed.member_id),
        "ladder": placed.ladder,
        "previous_level": placed.previous_level,
        "level": placed.level,
        "score": str(placed.score),
        "valid_until": _text(placed.valid_until),
    }
    code = "LEVEL_KEPT" if placed.level == placed.previous_level else "LEVEL_CHANGED"
    return pb.Effect(code=code, details={name: value for name, value in details.items() if value})


def _text(at: datetime | None) -> str:
    return "" if at is None else at.isoformat().replace("+00:00", "Z")
