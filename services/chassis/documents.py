"""Documents: what an operator configures, as plain values, and how their mistakes are reported."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, TypeVar

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


SpecType = TypeVar("SpecType", bound=Spec)


def parse_spec(document: Document, model: type[SpecType]) -> SpecType:
    """The document's spec as its model. Raises DocumentErrors that name document and field."""
    try:
        return model.model_validate(document.spec)
    except ValidationError as error:
        raise DocumentErrors(
            FieldViolation(
                ".".join((document.name, *map(str, detail["loc"]))), detail["msg"].removeprefix("Value error, ")
            )
            for detail in error.errors()
        ) from None


def parse_specs(documents: Iterable[Document], models: Mapping[str, type[Spec]]) -> dict[str, dict[str, Any]]:
    """All specs by kind and code; kinds nobody knows and all mistakes are reported together as DocumentErrors."""
    specs: dict[str, dict[str, Any]] = {kind: {} for kind in models}
    violations: list[FieldViolation] = []
    for document in documents:
        model = models.get(document.kind)
        if model is None:
            known = ", ".join(sorted(models))
            violations.append(FieldViolation(document.name, f"no kind of document here; there are: {known}"))
            continue
        try:
            specs[document.kind][document.code] = parse_spec(document, model)
        except DocumentErrors as error:
            violations.extend(error.violations)
    if violations:
        raise DocumentErrors(violations)
    return specs
