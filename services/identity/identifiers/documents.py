"""The document `identifier-type`: what identifiers of a type are like."""

from datetime import timedelta
from typing import Annotated, Literal

import phonenumbers
from pydantic import Field, field_validator

from services.chassis.documents import Document, Mistakes, Spec
from services.chassis.errors import Rejection
from services.identity.identifiers.normalisers import normalise
from services.identity.identifiers.values import Form, IdentifierType, Strength

MAX_LIMIT = 100
"""More of one type are no person's."""
MAX_DAYS = 3_660
"""Ten years: more is a mistake."""
MAX_BLOCKED = 10_000
STRENGTHS = {"hint": Strength.HINT, "evidence": Strength.EVIDENCE, "proof": Strength.PROOF}


class WindowSpec(Spec):
    """How many may be new within so many days of 24 hours."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)]
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)]


class IdentifierTypeSpec(Spec):
    """A type of identifier. A value in `blocked` is written in any way that the normaliser understands."""

    name: str
    normaliser: Form
    strength: Literal["proof", "evidence", "hint"]
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] | None = None
    window: WindowSpec | None = None
    validity_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] | None = None
    region: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    finds: bool = True
    blocked: Annotated[tuple[str, ...], Field(max_length=MAX_BLOCKED)] = ()

    @field_validator("region")
    @classmethod
    def _is_a_country(cls, region: str) -> str:
        if region and region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("must be the ISO 3166 code of a country, for example CN")
        return region


def check_type(document: Document, spec: IdentifierTypeSpec, mistakes: Mistakes) -> None:
    """Note what is wrong with a type beyond the form of its fields."""
    for number, value in enumerate(spec.blocked):
        normal = normalise(document.code, spec.normaliser, spec.region, value)
        if isinstance(normal, Rejection) and normal.reason != "IDENTIFIER_UNPARSEABLE":
            mistakes.add(f"{document.name}.blocked.{number}", normal.message)
    if spec.strength == "hint" and spec.finds and "finds" in spec.model_fields_set:
        mistakes.add(f"{document.name}.finds", "nobody is found by a hint")


def identifier_type(code: str, spec: IdentifierTypeSpec) -> IdentifierType:
    """A type as the rules use it. What is no value of the type needs no blocking: it is refused as such."""
    normal = (normalise(code, spec.normaliser, spec.region, value) for value in spec.blocked)
    return IdentifierType(
        code=code,
        form=spec.normaliser,
        strength=STRENGTHS[spec.strength],
        limit=spec.limit,
        window_limit=None if spec.window is None else spec.window.limit,
        window=timedelta(days=0 if spec.window is None else spec.window.days),
        validity=None if spec.validity_days is None else timedelta(days=spec.validity_days),
        region=spec.region,
        finds=spec.finds and spec.strength != "hint",
        blocked=frozenset(value for value in normal if isinstance(value, str)),
    )
