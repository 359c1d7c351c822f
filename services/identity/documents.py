"""The documents of identity: programmes and the domains whose accounts are known, checked when they are published."""

from collections.abc import Sequence
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from services.chassis.documents import Code, Document, Spec, parse_specs
from services.identity.values import Config, Domain

MAX_ACCOUNTS_PER_MEMBER = 10_000
"""Beyond this the number says nothing that `unlimited` does not say better."""


class ProgrammeSpec(Spec):
    """A scheme that an operator runs; the same document is applied to every service."""

    name: str
    time_zone: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("is no IANA time zone")
        return name


class DomainSpec(Spec):
    """A business of the programme, and who answers for it. A member has one account in it unless it allows more."""

    name: str
    owner: Code
    accounts_per_member: Annotated[int, Field(ge=1, le=MAX_ACCOUNTS_PER_MEMBER)] | Literal["unlimited"] = 1


def compile_documents(documents: Sequence[Document]) -> Config:
    """What the rules use. Raises DocumentErrors that name every mistake."""
    specs = parse_specs(documents, {"programme": ProgrammeSpec, "domain": DomainSpec})
    return Config({code: _domain(code, spec) for code, spec in specs["domain"].items()})


def _domain(code: str, spec: DomainSpec) -> Domain:
    limit = spec.accounts_per_member
    return Domain(code, None if limit == "unlimited" else limit)
