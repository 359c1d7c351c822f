"""The documents `purpose` and `erasure`: what people are asked for, and what is remembered of who was erased."""

from collections.abc import Mapping
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from services.chassis.documents import Document, Mistakes, Spec
from services.identity.privacy.values import Purpose, Remembrance, Use

MAX_REMEMBERED_DAYS = 3_660
"""Ten years: nobody may keep anything of an erased person for longer."""


class PurposeSpec(Spec):
    """Something for which the data of the programme's domains may be used, if the person agrees.

    `needed_for` names what crosses from one domain to another only with this consent, given for the domain whose data
    it is. A purpose that names nothing is kept for others, who follow the decisions.
    """

    name: str
    default: Literal["granted", "denied"]
    needed_for: tuple[Use, ...] = ()


class ErasureSpec(Spec):
    """What a programme remembers of members that were erased: for so many civil days, that the person was there."""

    once_per_person_days: Annotated[int, Field(ge=1, le=MAX_REMEMBERED_DAYS)]


def purpose(document: Document, spec: PurposeSpec, mistakes: Mistakes) -> Purpose:
    """A purpose as the rules use it."""
    if len(set(spec.needed_for)) < len(spec.needed_for):
        mistakes.add(f"{document.name}.needed_for", "names something twice")
    return Purpose(document.code, document.programme, spec.default == "granted", frozenset(spec.needed_for))


def remembrances(
    given: Mapping[str, tuple[Document, ErasureSpec]], zones: Mapping[str, ZoneInfo], mistakes: Mistakes
) -> dict[str, Remembrance]:
    """What each programme remembers."""
    found: dict[str, Remembrance] = {}
    for document, spec in given.values():
        if document.programme in found:
            mistakes.add(document.name, f"the programme {document.programme} has another document of this kind")
        elif document.programme in zones:
            found[document.programme] = Remembrance(spec.once_per_person_days, zones[document.programme])
    return found
