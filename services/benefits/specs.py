"""What the documents of benefits say: ladders and benefits, as they are written."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from services.chassis.documents import Code, Rate, Spec

MAX_USES = (1 << 53) - 1
FIRST_YEAR, LAST_YEAR = 1970, 9998
"""The years of which every instant can be written on the wire, and a day later as well."""


def _day(value: object) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f'must be a day such as "2017-03-31", from {FIRST_YEAR} to {LAST_YEAR}')
    return day


Day = Annotated[date, BeforeValidator(_day)]
"""A civil day in the programme's zone."""


class DaysSpec(Spec):
    """From a day through another, both included; either may be missing."""

    first: Day | None = Field(None, alias="from")
    last: Day | None = Field(None, alias="through")

    @model_validator(mode="after")
    def _in_order(self) -> "DaysSpec":
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("ends before it begins")
        return self


class ValiditySpec(Spec):
    """How long an entitlement is valid.

    hours after its issue; days, months or years, which end at 00:00 so many civil days, months or years after the day
    of its issue; through end-of-month; or from a day through another, both included.
    """

    hours: Annotated[int, Field(ge=1, le=87_600)] | None = None
    days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    months: Annotated[int, Field(ge=1, le=1_200)] | None = None
    years: Annotated[int, Field(ge=1, le=100)] | None = None
    first: Day | None = Field(None, alias="from")
    last: Day | Literal["end-of-month"] | None = Field(None, alias="through")

    @model_validator(mode="after")
    def _one_way(self) -> "ValiditySpec":
        lengths = [length for length in (self.hours, self.days, self.months, self.years) if length is not None]
        is_fixed = self.first is not None or self.last is not None
        if len(lengths) + is_fixed != 1:
            raise ValueError("takes one of hours, days, months, years, or from and through")
        if self.last == "end-of-month" and self.first is not None:
            raise ValueError("end-of-month is counted from the issue: leave from out")
        if self.first is not None and isinstance(self.last, date) and self.last < self.first:
            raise ValueError("ends before it begins")
        return self


class LevelSpec(Spec):
    """A level of a ladder; what it takes to reach it concerns tiers."""

    model_config = ConfigDict(extra="ignore")

    code: Code


class LadderSpec(Spec):
    """A ladder, whose document tiers has as well: here it only says which levels there are, the lowest first."""

    model_config = ConfigDict(extra="ignore")

    levels: Annotated[tuple[LevelSpec, ...], Field(min_length=1)]


class LevelUpSpec(Spec):
    """Issued when a member rises on a ladder to one of `levels` (none named: any but the lowest).

    every-rise: each time; all-crossed: for each level once in a member's life, those between included; top-only: for
    the topmost alone, and those between count as given.
    """

    when: Literal["level-up"]
    ladder: Code
    levels: tuple[Code, ...] = ()
    gifts: Literal["every-rise", "all-crossed", "top-only"] = "every-rise"


class MonthSpec(Spec):
    """Issued at 00:00 of the first day of each natural month, to every member who is eligible."""

    when: Literal["month"]


class ListedSpec(Spec):
    """Issued by IssueEntitlement to whoever is named."""

    when: Literal["listed"]


class QuotaSpec(Spec):
    """So many uses in each civil period of the programme's zone; weeks begin on Monday."""

    uses: Annotated[int, Field(ge=1, le=MAX_USES)]
    period: Literal["day", "week", "month", "year", "once"]


class ValueSpec(Spec):
    """What the benefit is worth, for people to read: an amount in minor units, or a share of the price."""

    discount_minor: Annotated[int, Field(ge=0, le=MAX_USES)] | None = None
    discount_percent: Rate | None = None

    @model_validator(mode="after")
    def _one(self) -> "ValueSpec":
        if (self.discount_minor is None) == (self.discount_percent is None):
            raise ValueError("takes one of discount_minor, discount_percent")
        return self


class BenefitSpec(Spec):
    """What members may use: a coupon (they have entitlements to it) or a quota (it is counted).

    `judged` says whether a coupon's condition is judged again when it is used; a quota's is judged then. `merged` says
    what stays when two members who are merged both have it: all, or one, which is none when one was used. Left out, one
    stays of level gifts that are given once in a life, and all of everything else.
    """

    name: str
    kind: Literal["coupon", "quota"]
    domains: tuple[Code, ...] = ()
    offered: DaysSpec = DaysSpec()
    eligibility: str = ""
    judged: Literal["at-issue-and-use", "at-issue"] = "at-issue-and-use"
    issue: tuple[Annotated[LevelUpSpec | MonthSpec | ListedSpec, Field(discriminator="when")], ...] = ()
    validity: ValiditySpec | None = None
    uses: Annotated[int, Field(ge=1, le=MAX_USES)] | Literal["unlimited"] = 1
    quota: QuotaSpec | None = None
    value: ValueSpec | None = None
    merged: Literal["keep-all", "keep-one"] | None = None

    @model_validator(mode="after")
    def _fits_kind(self) -> "BenefitSpec":
        if self.kind == "coupon":
            if self.quota is not None:
                raise ValueError("a coupon has no quota: it is good for so many uses")
            if not self.issue:
                raise ValueError("a coupon says when it is issued: level-up, month or listed")
            return self
        if self.quota is None:
            raise ValueError("a quota says how many uses there are in which period")
        extra = {"issue", "validity", "uses", "judged", "merged"} & self.model_fields_set
        if extra:
            raise ValueError(f"a quota is counted, not issued: leave {', '.join(sorted(extra))} out")
        return self
