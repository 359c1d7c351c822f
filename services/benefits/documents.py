"""The documents of benefits: programmes, ladders and benefits, checked when published and compiled once a version."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.benefits.config import Benefit, BenefitsConfig, LevelUp, Lifetime, Listed, Monthly, Quota, Way
from services.benefits.eligibility import Eligibility
from services.benefits.specs import BenefitSpec, LadderSpec, LevelUpSpec, ListedSpec, MonthSpec, ValiditySpec
from services.chassis import cel, civil
from services.chassis.documents import Document, Mistakes, Spec, parse_specs
from services.chassis.programmes import ProgrammeSpec, check_programmes

MODELS: Mapping[str, type[Spec]] = {"programme": ProgrammeSpec, "ladder": LadderSpec, "benefit": BenefitSpec}

Ladders = Mapping[str, tuple[str, ...]]
"""The levels of each ladder, the lowest first."""


def compile_documents(documents: Sequence[Document]) -> BenefitsConfig:
    """Compile a version. Raises DocumentErrors with everything that is wrong."""
    mistakes = Mistakes()
    specs = parse_specs(documents, MODELS, mistakes)
    check_programmes(documents, mistakes)
    mistakes.check()
    zones = {code: ZoneInfo(spec.time_zone) for code, spec in specs["programme"].items()}
    zone_of = {document.code: zones[document.programme] for document in documents if document.kind == "benefit"}
    ladders = {code: tuple(level.code for level in spec.levels) for code, spec in specs["ladder"].items()}
    for code, spec in specs["benefit"].items():
        _check_levels(code, spec, ladders, mistakes)
    conditions = {code: _eligibility(code, spec, ladders, mistakes) for code, spec in specs["benefit"].items()}
    mistakes.check()
    return _config(
        {
            code: _benefit(code, spec, conditions[code], ladders, zone_of[code])
            for code, spec in specs["benefit"].items()
        }
    )


def _check_levels(code: str, spec: BenefitSpec, ladders: Ladders, mistakes: Mistakes) -> None:
    for number, way in enumerate(spec.issue):
        if not isinstance(way, LevelUpSpec):
            continue
        field = f"benefit/{code}.issue.{number}"
        if way.ladder not in ladders:
            mistakes.add(f"{field}.ladder", f"there is no ladder {way.ladder}")
            continue
        unknown = [level for level in way.levels if level not in ladders[way.ladder]]
        if unknown:
            mistakes.add(f"{field}.levels", f"the ladder {way.ladder} has no {', '.join(unknown)}")


def _config(benefits: Mapping[str, Benefit]) -> BenefitsConfig:
    level_ups: dict[str, tuple[tuple[Benefit, LevelUp], ...]] = {}
    for benefit in benefits.values():
        for way in benefit.ways:
            if isinstance(way, LevelUp):
                level_ups[way.ladder] = (*level_ups.get(way.ladder, ()), (benefit, way))
    return BenefitsConfig(
        benefits=benefits,
        level_ups=level_ups,
        monthly=tuple(benefit for benefit in benefits.values() if benefit.is_monthly),
        zones=tuple({benefit.zone.key: benefit.zone for benefit in benefits.values()}.values()),
    )


def _eligibility(code: str, spec: BenefitSpec, ladders: Ladders, mistakes: Mistakes) -> Eligibility | None:
    if not spec.eligibility:
        return None
    try:
        return Eligibility(spec.eligibility, {ladder: levels[0] for ladder, levels in ladders.items()})
    except cel.ExpressionError as error:
        mistakes.add_expression(f"benefit/{code}.eligibility", str(error))
        return None


def _benefit(
    code: str, spec: BenefitSpec, eligibility: Eligibility | None, ladders: Ladders, zone: ZoneInfo
) -> Benefit:
    offered_from, offered_until = _instants(spec.offered.first, spec.offered.last, zone)
    return Benefit(
        code=code,
        zone=zone,
        domains=frozenset(spec.domains),
        eligibility=eligibility,
        judged_at_use=spec.judged == "at-issue-and-use",
        offered_from=offered_from,
        offered_until=offered_until,
        ways=tuple(_way(way, ladders) for way in spec.issue),
        lifetime=_lifetime(spec.validity, zone),
        uses=None if spec.uses == "unlimited" else spec.uses,
        quota=Quota(spec.quota.uses, spec.quota.period) if spec.quota is not None else None,
        once_per_person=None if spec.merged is None else spec.merged == "keep-one",
    )


def _way(spec: LevelUpSpec | MonthSpec | ListedSpec, ladders: Ladders) -> Way:
    match spec:
        case LevelUpSpec():
            ranks = ladders[spec.ladder]
            return LevelUp(spec.ladder, frozenset(spec.levels or ranks), spec.gifts, ranks)
        case MonthSpec():
            return Monthly()
        case ListedSpec():
            return Listed()


def _lifetime(spec: ValiditySpec | None, zone: ZoneInfo) -> Lifetime:
    if spec is None:
        return Lifetime()
    if spec.last == "end-of-month":
        return Lifetime(through_month=True)
    starts_at, ends_at = _instants(spec.first, spec.last, zone)
    return Lifetime(
        hours=spec.hours or 0,
        days=spec.days or 0,
        months=(spec.months or 0) + (spec.years or 0) * civil.MONTHS_A_YEAR,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _instants(first: date | None, last: date | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """The half-open interval of two days, both included."""
    return (
        civil.start_of_day(first, zone) if first is not None else None,
        civil.start_of_day(last + timedelta(days=1), zone) if last is not None else None,
    )
