"""Programmes: the one kind of document that every service has, and that all others name."""

from collections.abc import Collection
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from services.chassis.documents import Document, Mistakes, Spec


class ProgrammeSpec(Spec):
    """A scheme that an operator runs; days, months and years are civil in its time zone.

    The same document is applied to every service.
    """

    name: str
    time_zone: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("is no IANA time zone")
        return name


def check_programmes(documents: Collection[Document], mistakes: Mistakes) -> None:
    """Note every document of a programme that is not among them; a programme belongs to itself."""
    programmes = {document.code for document in documents if document.kind == "programme"}
    for document in documents:
        if document.kind == "programme" and document.programme != document.code:
            text = f"belongs to the programme {document.programme}; a programme belongs to itself"
            mistakes.add(document.name, text)
        elif document.programme not in programmes:
            mistakes.add(document.name, f"there is no programme {document.programme}")
