"""What a merge, an unmerge or an erasure would do: decided by the rules that then do it, and not applied."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.chassis import ids
from services.chassis.ids import routing_of
from services.chassis.operations import Decided, Decision, Moment, Wider
from services.tiers.events import Merged, Unmerged
from services.tiers.merges import following
from services.tiers.state import ChangesByPartition, rank_of
from services.tiers.values import MEMBER, Config
from tessera.records.v1 import member_records_pb2 as pb


@dataclass(frozen=True, slots=True)
class PreviewMerge:
    """Tell what a merge would do. Nothing is recorded."""

    survivor_id: UUID
    merged_id: UUID
    request: None = None
    validate_only: bool = True

    @property
    def owners(self) -> tuple[int, ...]:
        """Both members."""
        return (routing_of(self.survivor_id), routing_of(self.merged_id))


@dataclass(frozen=True, slots=True)
class PreviewUnmerge:
    """Tell what an unmerge would do; its own instant is the one at which it is asked. Nothing is recorded."""

    told: Unmerged
    request: None = None
    validate_only: bool = True

    @property
    def owners(self) -> tuple[int, ...]:
        """Both members."""
        return (routing_of(self.told.holder_id), routing_of(self.told.member_id))


@dataclass(frozen=True, slots=True)
class PreviewErasure:
    """Tell what an erasure would do. Nothing is recorded."""

    member_id: UUID
    request: None = None
    validate_only: bool = True

    @property
    def owners(self) -> tuple[int, ...]:
        """The member."""
        return (routing_of(self.member_id),)


Preview = PreviewMerge | PreviewUnmerge | PreviewErasure


def decide(changes: ChangesByPartition, command: Preview, moment: Moment[Config]) -> Decided:
    """Decide one preview."""
    match command:
        case PreviewMerge():
            return _merge(changes, command, moment.at)
        case PreviewUnmerge():
            return _unmerge(changes, command.told, moment.at)
        case PreviewErasure():
            return _erasure(changes, command)


def _merge(changes: ChangesByPartition, command: PreviewMerge, at: datetime) -> Decided:
    members = _stand_ins(changes, (command.survivor_id, command.merged_id))
    if isinstance(members, Wider):
        return members
    before = _standings(changes, members)
    if members[0] != members[1]:
        following.merged(changes, Merged(members[0], (members[1],), at))
    effects = _effects(before, _standings(changes, members[:1]))
    return Decision(None, pb.PreviewMergeResponse(effects=effects).SerializeToString)


def _unmerge(changes: ChangesByPartition, told: Unmerged, at: datetime) -> Decided:
    members = (told.holder_id, told.member_id)
    if (wider := following.missing(changes, (*members, *told.absorbed_ids))) is not None:
        return wider
    before = _standings(changes, members)
    following.unmerged(changes, replace(told, unmerged_at=at))
    effects = _effects(before, _standings(changes, members))
    return Decision(None, pb.PreviewUnmergeResponse(effects=effects).SerializeToString)


def _erasure(changes: ChangesByPartition, command: PreviewErasure) -> Decided:
    members = _stand_ins(changes, (command.member_id,))
    if isinstance(members, Wider):
        return members
    effects = [
        pb.Effect(code="STANDING_LOST", details={"ladder": ladder, "level": level})
        for (_, ladder), (level, _) in sorted(_standings(changes, members).items())
    ]
    return Decision(None, pb.PreviewErasureResponse(effects=effects).SerializeToString)


def _stand_ins(changes: ChangesByPartition, member_ids: Sequence[UUID]) -> Wider | list[UUID]:
    """The members that IDs mean; they are loaded."""
    if (wider := following.missing(changes, member_ids)) is not None:
        return wider
    found = [changes.of_member(each).leads_to(each) or each for each in member_ids]
    return following.missing(changes, found) or found


_Standings = dict[tuple[UUID, str], tuple[str, int]]
"""By member and ladder, the level and all that was ever scored."""


def _standings(changes: ChangesByPartition, member_ids: Sequence[UUID]) -> _Standings:
    found: _Standings = {}
    for member_id in member_ids:
        of_member = changes.of_member(member_id)
        for ladder in changes.config.ladders.values():
            history = of_member.history((member_id, ladder.code))
            level = ladder.levels[rank_of(ladder, history[-1] if history else None)].code
            found[member_id, ladder.code] = (level, sum(of_member.known((member_id, ladder.unit)).scores.values()))
    return found


def _effects(before: _Standings, after: _Standings) -> list[pb.Effect]:
    """What is another level, or another score, than before."""
    effects = []
    for (member_id, ladder), (level, score) in sorted(after.items()):
        old_level, old_score = before[member_id, ladder]
        details = {"member_id": ids.encode(MEMBER, member_id), "ladder": ladder}
        if score != old_score:
            amounts = {"from": str(old_score), "to": str(score)}
            effects.append(pb.Effect(code="SCORE_CHANGES", details={**details, **amounts}))
        if level != old_level:
            effects.append(pb.Effect(code="LEVEL_CHANGES", details={**details, "from": old_level, "to": level}))
    return effects
