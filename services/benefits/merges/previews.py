"""What a merge, an unmerge or an erasure would do: decided by the rules that then do it, and not applied."""

from dataclasses import dataclass
from uuid import UUID

from services.benefits import wire
from services.benefits.merges import following
from services.benefits.rules import state_at, united
from services.benefits.state import Draft, State
from services.benefits.values import BenefitsConfig, Entitlement, EntitlementState, QuotaUse, Unmerged
from services.chassis import ids
from services.chassis.ids import routing_of
from services.chassis.operations import Decided, Decision, Moment
from tessera.records.v1 import member_records_pb2 as pb

_NO_MERGE = UUID(int=0)
"""The merge that a preview is of has no ID yet."""


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
        return tuple(map(routing_of, self.member_ids))

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Both members."""
        return (self.survivor_id, self.merged_id)


@dataclass(frozen=True, slots=True)
class PreviewUnmerge:
    """Tell what an unmerge would do. Nothing is recorded."""

    told: Unmerged
    request: None = None
    validate_only: bool = True

    @property
    def owners(self) -> tuple[int, ...]:
        """Both members."""
        return tuple(map(routing_of, self.member_ids))

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """Both members."""
        return (self.told.holder_id, self.told.member_id)


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

    @property
    def member_ids(self) -> tuple[UUID, ...]:
        """The member."""
        return (self.member_id,)


Preview = PreviewMerge | PreviewUnmerge | PreviewErasure


def decide(state: State, command: Preview, moment: Moment[BenefitsConfig]) -> Decided:
    """Decide one preview."""
    draft = Draft(state)
    match command:
        case PreviewMerge():
            return _merge(draft, command, moment)
        case PreviewUnmerge():
            return _unmerge(draft, command.told)
        case PreviewErasure():
            return _erasure(draft, command, moment)


def _merge(draft: Draft, command: PreviewMerge, moment: Moment[BenefitsConfig]) -> Decided:
    survivors, others = draft.person(command.survivor_id), draft.person(command.merged_id)
    person = tuple(dict.fromkeys((*survivors, *others)))
    if wider := following.missing(draft, person):
        return wider
    effects = [_effect("ENTITLEMENT_REVOKED", each) for each in following.taken(draft, _NO_MERGE, person, moment)]
    of_both = [{use.benefit: use for use in _uses(draft, each)} for each in (survivors, others)]
    for benefit in sorted(of_both[1]):
        both = [of[benefit] for of in of_both if benefit in of]
        together = united(both)
        assert together is not None, "one of them used it"
        details = {
            "benefit": benefit,
            "period_start": together.period_start.isoformat(),
            "merged": str(of_both[1][benefit].used),
            "together": str(together.used),
        }
        effects.append(pb.Effect(code="QUOTA_UNITED", details=details))
    return Decision(None, pb.PreviewMergeResponse(effects=effects).SerializeToString)


def _uses(draft: Draft, person: tuple[UUID, ...]) -> list[QuotaUse]:
    """What a person used of each quota."""
    uses = [use for each in person for use in draft.quota_uses_of(each)]
    benefits = sorted({use.benefit for use in uses})
    sums = [united([use for use in uses if use.benefit == benefit]) for benefit in benefits]
    return [use for use in sums if use is not None]


def _unmerge(draft: Draft, told: Unmerged) -> Decided:
    person = following.parting(draft, told)
    if wider := following.missing(draft, person):
        return wider
    effects = [_effect("ENTITLEMENT_RESTORED", each) for each in following.given_back(draft, told, person)]
    for use in following.counted_anew(draft, told, person):
        details = {
            "benefit": use.benefit,
            "member_id": ids.encode(wire.MEMBER, use.member_id),
            "period_start": use.period_start.isoformat(),
            "used": str(use.used),
        }
        effects.append(pb.Effect(code="QUOTA_CHANGES", details=details))
    return Decision(None, pb.PreviewUnmergeResponse(effects=effects).SerializeToString)


def _erasure(draft: Draft, command: PreviewErasure, moment: Moment[BenefitsConfig]) -> Decided:
    person = draft.person(command.member_id)
    if wider := following.missing(draft, person):
        return wider
    effects = [
        _effect("ENTITLEMENT_LOST", entitlement)
        for each in person
        for entitlement in draft.entitlements_of(each)
        if state_at(entitlement, moment.at) is EntitlementState.GRANTED
    ]
    return Decision(None, pb.PreviewErasureResponse(effects=effects).SerializeToString)


def _effect(code: str, entitlement: Entitlement) -> pb.Effect:
    details = {
        "benefit": entitlement.benefit,
        "entitlement_id": ids.encode(wire.ENTITLEMENT, entitlement.entitlement_id),
        "member_id": ids.encode(wire.MEMBER, entitlement.member_id),
    }
    return pb.Effect(code=code, details=details)
