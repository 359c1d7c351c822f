"""The documents of identity: programmes, the domains whose accounts are known, kinds of groups and types of
identifiers; checked when they are published."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from services.chassis.documents import Code, Document, Mistakes, Spec, parse_specs
from services.chassis.programmes import ProgrammeSpec, check_programmes
from services.identity.groups.documents import GroupKindSpec, check_kind, group_kind
from services.identity.identifiers.documents import IdentifierTypeSpec, check_type, identifier_type
from services.identity.values import Config, Domain

MAX_ACCOUNTS_PER_MEMBER = 10_000
"""Beyond this the number says nothing that `unlimited` does not say better."""


class DomainSpec(Spec):
    """A business of the programme, and who answers for it. A member has one account in it unless it allows more."""

    name: str
    owner: Code
    accounts_per_member: Annotated[int, Field(ge=1, le=MAX_ACCOUNTS_PER_MEMBER)] | Literal["unlimited"] = 1


MODELS: Mapping[str, type[Spec]] = {
    "programme": ProgrammeSpec,
    "domain": DomainSpec,
    "group-kind": GroupKindSpec,
    "identifier-type": IdentifierTypeSpec,
}


def compile_documents(documents: Sequence[Document]) -> Config:
    """What the rules use. Raises DocumentErrors that name every mistake."""
    mistakes = Mistakes()
    specs = parse_specs(documents, MODELS, mistakes)
    check_programmes(documents, mistakes)
    kinds = [
        (document, specs["group-kind"][document.code])
        for document in documents
        if document.kind == "group-kind" and document.code in specs["group-kind"]
    ]
    for document, spec in kinds:
        check_kind(document, spec, mistakes)
    for document in documents:
        if document.kind == "identifier-type" and document.code in specs["identifier-type"]:
            check_type(document, specs["identifier-type"][document.code], mistakes)
    mistakes.check()
    zones = {code: ZoneInfo(programme.time_zone) for code, programme in specs["programme"].items()}
    return Config(
        domains={code: _domain(code, spec) for code, spec in specs["domain"].items()},
        group_kinds={
            document.code: group_kind(document.code, spec, zones[document.programme]) for document, spec in kinds
        },
        identifier_types={code: identifier_type(code, spec) for code, spec in specs["identifier-type"].items()},
    )


def _domain(code: str, spec: DomainSpec) -> Domain:
    limit = spec.accounts_per_member
    return Domain(code, None if limit == "unlimited" else limit)
