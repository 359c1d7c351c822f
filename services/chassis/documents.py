"""Documents: what an operator configures, as plain values, and how their mistakes are reported."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.chassis.errors import FieldViolation, Refused, invalid_argument

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
"""How documents name each other."""

_RATE = re.compile(r"-?[0-9]{1,18}([./][0-9]{1,18})?")
"""Short enough that reckoning with it stays cheap: "1e999999999" is a number, too."""
_NO_RATE = 'must be a whole number or a string such as "0.02" or "1/3", of at most 18 digits a part'


def _fraction(value: object) -> Fraction:
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int) or not _RATE.fullmatch(str(value)):
        raise ValueError(_NO_RATE)
    try:
        return Fraction(value)
    except ZeroDivisionError:
        raise ValueError(_NO_RATE) from None


Rate = Annotated[Fraction, BeforeValidator(_fraction)]
"""An exact rate: a whole number, a decimal string or a fraction string. Never a float."""


class Spec(BaseModel):
    """What every kind of document's `spec` is: frozen, and with no field that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


@dataclass(frozen=True, slots=True)
class Document:
    """One document: `spec` is plain data (str, int, bool, None, list, dict)."""

    kind: str
    code: str
    programme: str
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.kind}/{self.code}"


class DocumentErrors(Exception):
    """Everything that is wrong with a set of documents."""

    def __init__(self, violations: Iterable[FieldViolation], reason: str = "DOCUMENT_INVALID") -> None:
        self.violations = tuple(violations)
        self.reason = reason
        super().__init__("; ".join(f"{violation.field}: {violation.description}" for violation in self.violations))

    def refused(self) -> Refused:
        """As an answer to the caller."""
        message = f"{len(self.violations)} mistake(s) in the documents"
        return Refused(invalid_argument(self.reason, message, self.violations))


class Mistakes:
    """Everything found wrong with a set of documents so far, so that all of it is reported together."""

    def __init__(self) -> None:
        self._violations: list[FieldViolation] = []
        self._reason = "DOCUMENT_INVALID"

    def add(self, field: str, description: str) -> None:
        """Note one."""
        self._violations.append(FieldViolation(field, description))

    def add_expression(self, field: str, description: str) -> None:
        """Note an expression that does not compile; the description says where."""
        self.add(field, description)
        self._reason = "EXPRESSION_INVALID"

    def check(self) -> None:
        """Raises DocumentErrors if there is any."""
        if self._violations:
            raise DocumentErrors(self._violations, self._reason)


def parse_specs(
    documents: Iterable[Document], models: Mapping[str, type[Spec]], mistakes: Mistakes
) -> dict[str, dict[str, Any]]:
    """The specs that can be read, by kind and code; notes kinds that nobody knows, and mistakes by document and field.

    Every kind of `models` is there, if only empty.
    """
    specs: dict[str, dict[str, Any]] = {kind: {} for kind in models}
    for document in documents:
        model = models.get(document.kind)
        if model is None:
            mistakes.add(document.name, f"no kind of document here; there are: {', '.join(sorted(models))}")
            continue
        try:
            specs[document.kind][document.code] = model.model_validate(document.spec)
        except ValidationError as error:
            for detail in error.errors():
                field = ".".join((document.name, *map(str, detail["loc"])))
                mistakes.add(field, detail["msg"].removeprefix("Value error, "))
    return specs
