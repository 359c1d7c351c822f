"""What the documents of points say: units and earn rules, as they are written."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from services.chassis.documents import Code, Rate, Spec

MAX_AMOUNT = (1 << 63) - 1
DEFAULT_FUNDER = "platform"
DEFAULT_NEGATIVE_BALANCE = "allow-negative"


def _not_negative(rate: Fraction) -> Fraction:
    if rate < 0:
        raise ValueError("must not be negative")
    return rate


NotNegative = Annotated[Rate, AfterValidator(_not_negative)]


class ExpirySpec(Spec):
    """When points expire, counted from when they become available.

    none; duration (days, months or years from 00:00 of that day); end-of-month, end-of-quarter, end-of-year (of the Nth
    next one: 0 is the current); sliding (days, months or years after the member's last activity).
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


class UnitSpec(Spec):
    """A unit of points. `scale` is how many of its digits stand after the point when it is shown."""

    name: str
    kind: Literal["spendable", "qualifying"]
    scale: Annotated[int, Field(ge=0, le=9)] = 0
    expiry: ExpirySpec = ExpirySpec(policy="none")
    pending_days: Annotated[int, Field(ge=0, le=3_650)] = 0
    refund: Literal["keep-original-expiry", "min-validity"] = "keep-original-expiry"
    min_validity_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    negative_balance: Literal["allow-negative", "deduct-from-cash", "forgive"] = "allow-negative"

    @model_validator(mode="after")
    def _scores_do_not_expire(self) -> "UnitSpec":
        if self.kind == "qualifying" and (self.expiry.policy != "none" or self.pending_days):
            raise ValueError("a qualifying unit neither expires nor waits: ladders have windows")
        return self


class MultiplierSpec(Spec):
    """Multiplies by the level held when the activity took effect; a level that is not named counts as 1."""

    ladder: Code
    by_level: Mapping[Code, NotNegative]


class CapSpec(Spec):
    """At most so much for a member in each civil period."""

    amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
    period: Literal["day", "week", "month", "quarter", "year", "ever"]


class EarnRuleSpec(Spec):
    """What activities earn of a unit: rate × base × multiplier, rounded once for the whole activity, then capped.

    What is `pending` until the activity is completed (a stay is over) is neither spent nor scored before.
    """

    unit: Code
    condition: str = ""
    line_condition: str = ""
    rate: NotNegative
    base: Literal["paid", "gross"] = "paid"
    rounding: Literal["floor", "half-up", "ceil"] = "floor"
    multiplier: MultiplierSpec | None = None
    cap: CapSpec | None = None
    funder: Code = DEFAULT_FUNDER
    pending: Literal["until-completed"] | None = None
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _some_time(self) -> "EarnRuleSpec":
        if self.valid_from is not None and self.valid_until is not None and self.valid_until <= self.valid_from:
            raise ValueError("valid_until must be after valid_from")
        return self
