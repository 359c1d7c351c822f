"""What the documents of points say: units and earn rules, as they are written."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from services.chassis.documents import Code, Rate, Spec

MAX_AMOUNT = (1 << 63) - 1
DEFAULT_FUNDER = "platform"
DEFAULT_NEGATIVE_BALANCE = "allow-negative"
MAX_STEPS = 100
"""Steps of a table."""
MAX_MULTIPLIERS = 20
"""Multipliers of one rule."""
MAX_FUNDERS = 10
"""Funders of one rule: each has an entry and a lot of its own, whenever the rule gives something."""
MAX_PRIORITY = 1_000_000


def _not_negative(rate: Fraction) -> Fraction:
    if rate < 0:
        raise ValueError("must not be negative")
    return rate


NotNegative = Annotated[Rate, AfterValidator(_not_negative)]
Share = Annotated[int, Field(ge=1, le=1_000_000)]
"""How many parts of all shares together."""


class ExpirySpec(Spec):
    """When points expire, counted from when they become available.

    none; duration (days, months or years from 00:00 of that day); end-of-month, end-of-quarter, end-of-year (of the Nth
    next one: 0 is the current); sliding (days, months or years after the member's last activity, and what could not be
    spent at first not before so long after it can).
    """

    policy: Literal["none", "duration", "end-of-month", "end-of-quarter", "end-of-year", "sliding"]
    days: Annotated[int, Field(ge=0, le=36_500)] | None = None
    months: Annotated[int, Field(ge=0, le=1_200)] | None = None
    quarters: Annotated[int, Field(ge=0, le=400)] | None = None
    years: Annotated[int, Field(ge=0, le=100)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> "ExpirySpec":
        allowed = _LENGTHS[self.policy]
        given = {name for name in ("days", "months", "quarters", "years") if getattr(self, name) is not None}
        if not given <= allowed or len(given) != (1 if allowed else 0):
            wanted = " or ".join(sorted(allowed)) or "nothing"
            raise ValueError(f"{self.policy} takes {wanted}")
        if self.policy in ("duration", "sliding") and not any((self.days, self.months, self.years)):
            raise ValueError(f"{self.policy} takes a length of at least 1")
        return self


_LENGTHS: Mapping[str, frozenset[str]] = {
    "none": frozenset(),
    "duration": frozenset({"days", "months", "years"}),
    "sliding": frozenset({"days", "months", "years"}),
    "end-of-month": frozenset({"months"}),
    "end-of-quarter": frozenset({"quarters"}),
    "end-of-year": frozenset({"years"}),
}


class GiftSpec(Spec):
    """How members may give points of a unit to each other; `max_per_day` counts civil days of the programme's zone.

    An offer counts on the day on which it was made, unless it is declined or taken back.

    With `acceptance: required` the points are held until the receiver accepts, for so many civil days at most.
    """

    minimum: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] = 1
    max_per_gift: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] | None = None
    max_per_day: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] | None = None
    acceptance: Literal["not-needed", "required"] = "not-needed"
    acceptance_days: Annotated[int, Field(ge=1, le=365)] = 7


def _positive(rate: Fraction) -> Fraction:
    if rate <= 0:
        raise ValueError("must be more than 0")
    return rate


def _share(rate: Fraction) -> Fraction:
    if not 0 < rate <= 1:
        raise ValueError("must be more than 0 and at most 1")
    return rate


def _spread(share: Fraction) -> Fraction:
    if not 0 <= share < 1:
        raise ValueError("must be at least 0 and less than 1")
    return share


class PoolingSpec(Spec):
    """That members of a group may spend what they have together: own lots first, or all of them by expiry."""

    order: Literal["own-first", "by-expiry"] = "own-first"


class SpendLimitsSpec(Spec):
    """How much may be spent or held at once, by a member in a civil day, and of an order. Source: cases.md E6.

    `minor_per_point` is what a point pays, in minor units of the order's money.
    """

    minimum: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] = 1
    multiple_of: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] = 1
    max_per_transaction: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] | None = None
    max_per_day: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] | None = None
    max_order_share: Annotated[Rate, AfterValidator(_share)] | None = None
    minor_per_point: Annotated[Rate, AfterValidator(_positive)] | None = None

    @model_validator(mode="after")
    def _a_share_has_a_price(self) -> "SpendLimitsSpec":
        if (self.max_order_share is None) != (self.minor_per_point is None):
            raise ValueError("max_order_share and minor_per_point go together")
        return self


class UnitSpec(Spec):
    """A unit of points. `scale` is how many of its digits stand after the point when it is shown.

    Without `gift`, members cannot give its points to each other; without `pooling`, groups do not spend them together.
    Adjustments by more than `approval_above`, up or down, need another caller's approval.
    """

    name: str
    kind: Literal["spendable", "qualifying"]
    scale: Annotated[int, Field(ge=0, le=9)] = 0
    expiry: ExpirySpec = ExpirySpec(policy="none")
    pending_days: Annotated[int, Field(ge=0, le=3_650)] = 0
    refund: Literal["keep-original-expiry", "min-validity"] = "keep-original-expiry"
    min_validity_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    negative_balance: Literal["allow-negative", "deduct-from-cash", "forgive"] = "allow-negative"
    gift: GiftSpec | None = None
    pooling: PoolingSpec | None = None
    approval_above: Annotated[int, Field(ge=0, le=MAX_AMOUNT)] = 0
    max_balance: Annotated[int, Field(ge=0, le=MAX_AMOUNT)] | None = None
    """What grants, conversions and gifts may bring a balance to; what activities earn is cut to it if that is said."""
    max_balance_on_earning: Literal["ignore", "cut"] = "ignore"
    spend: SpendLimitsSpec | None = None

    @model_validator(mode="after")
    def _there_is_a_maximum_to_cut_to(self) -> "UnitSpec":
        if self.max_balance_on_earning == "cut" and (self.max_balance is None or self.kind == "qualifying"):
            raise ValueError("max_balance_on_earning takes max_balance, of a spendable unit")
        return self

    @model_validator(mode="after")
    def _scores_are_not_given(self) -> "UnitSpec":
        if self.kind == "qualifying" and self.gift is not None:
            raise ValueError("a qualifying unit is a score: nobody gives it away")
        if self.kind == "qualifying" and self.pooling is not None:
            raise ValueError("a qualifying unit is a score: no group spends it together")
        return self

    @model_validator(mode="after")
    def _scores_do_not_expire(self) -> "UnitSpec":
        if self.kind == "qualifying" and (self.expiry.policy != "none" or self.pending_days):
            raise ValueError("a qualifying unit neither expires nor waits: ladders have windows")
        if self.kind == "qualifying" and self.spend is not None:
            raise ValueError("a qualifying unit is a score, which nobody spends")
        return self


class MultiplierSpec(Spec):
    """Multiplies by the level held when the activity took effect; a level that is not named counts as 1."""

    ladder: Code
    by_level: Mapping[Code, NotNegative]


class StackedMultiplierSpec(Spec):
    """One of several multipliers: by level (`ladder`, `by_level`), or a campaign's (`code`, `factor`, its when)."""

    code: Code | None = None
    ladder: Code | None = None
    by_level: Mapping[Code, NotNegative] | None = None
    condition: str = ""
    factor: NotNegative | None = None
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "StackedMultiplierSpec":
        is_by_level = self.ladder is not None and self.by_level is not None and self.factor is None
        is_campaign = (
            self.factor is not None and self.code is not None and self.ladder is None and self.by_level is None
        )
        if not (is_by_level or is_campaign):
            raise ValueError("takes ladder and by_level, or code and factor")
        if is_by_level and (self.condition or self.valid_from or self.valid_until):
            raise ValueError("by level it takes neither condition nor validity")
        _check_times(self.valid_from, self.valid_until)
        return self


class MultipliersSpec(Spec):
    """Several multipliers: those that apply come to 1 + Σ(factor − 1), at least 0, to their product, or to the best."""

    stacking: Literal["add", "multiply", "best"] = "add"
    of: Annotated[list[StackedMultiplierSpec], Field(min_length=1, max_length=MAX_MULTIPLIERS)]

    @model_validator(mode="after")
    def _distinct(self) -> "MultipliersSpec":
        codes = [multiplier.code or multiplier.ladder for multiplier in self.of]
        if len(set(codes)) < len(codes):
            raise ValueError("two of them have the same code")
        return self


class CapSpec(Spec):
    """At most so much for a member in each civil period."""

    amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
    period: Literal["day", "week", "month", "quarter", "year", "ever"]


class EarnCapSpec(CapSpec):
    """The same of an earn rule, also for all members together of a group that shares points."""

    per: Literal["member", "group"] = "member"


class StepSpec(Spec):
    """A step of a table: the rate from a base (in minor units of money) on."""

    start: Annotated[int, Field(alias="from", ge=0, le=MAX_AMOUNT)]
    rate: NotNegative


def _ascending(steps: list[StepSpec]) -> list[StepSpec]:
    if any(later.start <= earlier.start for earlier, later in pairwise(steps)):
        raise ValueError("each step must begin above the one before")
    return steps


class ConversionSpec(Spec):
    """How points of one unit become points of another: minor units of `to` for each minor unit of `from`.

    The rate is `rate`, or by a `table` of steps of the amount the one that is reached, for all of it; times a factor by
    level (`multiplier`), less the `spread`, which is a share of it. `minimum` and `cap` are in the unit converted from.
    A lot made expires by the policy of its unit, and no later than the lot it came from (shorten), or when that would
    have (keep). With `to_partner` the unit `to` is an outside partner's, with `from_partner` the unit `from` is: what
    comes from a partner is funded by it unless `funder` is given. Sources: cases.md E13 and E14.
    """

    source: Annotated[Code, Field(alias="from")]
    target: Annotated[Code, Field(alias="to")]
    from_partner: Code | None = None
    to_partner: Code | None = None
    rate: Annotated[Rate, AfterValidator(_positive)] | None = None
    table: Annotated[list[StepSpec], Field(min_length=1, max_length=MAX_STEPS), AfterValidator(_ascending)] | None = (
        None
    )
    multiplier: MultiplierSpec | None = None
    spread: Annotated[Rate, AfterValidator(_spread)] = Fraction(0)
    minimum: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] = 1
    cap: CapSpec | None = None
    expiry: Literal["shorten", "keep"] = "shorten"
    funder: Code | None = None

    @model_validator(mode="after")
    def _gives_something(self) -> "ConversionSpec":
        if (self.rate is None) == (self.table is None):
            raise ValueError("takes rate or table")
        factors = list(self.multiplier.by_level.values()) if self.multiplier else []
        if not all([*factors, *(step.rate for step in self.table or ())]):
            raise ValueError("each rate and each factor must be more than 0")
        return self

    @model_validator(mode="after")
    def _with_one_partner(self) -> "ConversionSpec":
        if self.from_partner and self.to_partner:
            raise ValueError("takes from_partner or to_partner")
        if (self.from_partner or self.to_partner) and "expiry" in self.model_fields_set:
            raise ValueError("expiry is about lots that become lots: none does with a partner")
        if self.funder and not self.from_partner:
            raise ValueError("funder takes from_partner")
        return self


class PartnerExchangeSpec(Spec):
    """Where a partner serves `tessera.partner.v1.ExchangeService`, and how long one call of it may take."""

    address: Annotated[str, Field(pattern=r"^[a-zA-Z0-9.\-\[\]:]{1,253}:[0-9]{1,5}$")]
    tls: bool = True
    timeout_ms: Annotated[int, Field(ge=10, le=30_000)] = 5_000


class PartnerSpec(Spec):
    """An outside partner. A member is known to it by its account in the partner's `domain`."""

    name: str
    domain: Code
    exchange: PartnerExchangeSpec | None = None


class FunderSpec(Spec):
    """Who pays for points that are given by hand. Who funds a rule or a conversion is known by that."""

    name: str


class BudgetSpec(Spec):
    """How much the earn rules that name it may give together, over all members, in each civil period or ever.

    Outside its validity they give nothing. Partitions give from portions of it: the larger a `portion`, the more rarely
    they ask for more, and the more often they have to give some back in the end.
    """

    unit: Code
    amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
    period: Literal["none", "day", "month", "year"] = "none"
    portion: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] | None = None
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _times(self) -> "BudgetSpec":
        _check_times(self.valid_from, self.valid_until)
        return self


class EarnRuleSpec(Spec):
    """What activities earn of a unit: what it gives × its multipliers, rounded once for an activity, then capped.

    It gives one of: `rate` × base; `amount`; `amount` for each whole `per` of base; by a `table` of steps of base;
    what a `formula` comes to. With `rounded_per: line` all of this happens for each line that counts, and is summed.

    What is `pending` until the activity is completed (a stay is over) is neither spent nor scored before.
    """

    unit: Code
    condition: str = ""
    line_condition: str = ""
    exclude_line_condition: str = ""
    rate: NotNegative | None = None
    amount: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] | None = None
    per: Annotated[int, Field(ge=1, le=MAX_AMOUNT)] | None = None
    table: Annotated[list[StepSpec], Field(min_length=1, max_length=MAX_STEPS), AfterValidator(_ascending)] | None = (
        None
    )
    table_mode: Literal["whole", "marginal"] = "whole"
    formula: str | None = None
    base: Literal["paid", "gross"] = "paid"
    rounding: Literal["floor", "half-up", "ceil"] = "floor"
    rounded_per: Literal["activity", "line"] = "activity"
    multiplier: MultiplierSpec | None = None
    multipliers: MultipliersSpec | None = None
    cap: EarnCapSpec | None = None
    budget: Code | None = None
    funder: Code | None = None
    funders: Annotated[Mapping[Code, Share], Field(min_length=1, max_length=MAX_FUNDERS)] | None = None
    priority: Annotated[int, Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY)] = 0
    exclusive_group: Code | None = None
    pending: Literal["until-completed"] | None = None
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_way_of_giving(self) -> "EarnRuleSpec":
        given = [name for name in ("rate", "amount", "table", "formula") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("takes exactly one of rate, amount (also with per), table and formula")
        if self.per is not None and self.amount is None:
            raise ValueError("per takes amount")
        if self.table is None and "table_mode" in self.model_fields_set:
            raise ValueError("table_mode takes table")
        return self

    @model_validator(mode="after")
    def _said_once(self) -> "EarnRuleSpec":
        if self.multiplier is not None and self.multipliers is not None:
            raise ValueError("takes multiplier or multipliers")
        if self.funder is not None and self.funders is not None:
            raise ValueError("takes funder or funders")
        _check_times(self.valid_from, self.valid_until)
        return self


def _check_times(valid_from: datetime | None, valid_until: datetime | None) -> None:
    if valid_from is not None and valid_until is not None and valid_until <= valid_from:
        raise ValueError("valid_until must be after valid_from")
