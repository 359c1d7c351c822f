"""The documents of identity: programmes, the domains whose accounts are known, kinds of groups, types of identifiers,
when members who share some are one person, purposes that need consent, and what is remembered of who was erased;
checked when they are published."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from services.chassis.documents import Code, Document, Mistakes, Spec, parse_specs
from services.chassis.programmes import ProgrammeSpec, check_programmes
from services.identity.groups.documents import GroupKindSpec, check_kind, group_kind
from services.identity.identifiers.documents import IdentifierTypeSpec, check_type, identifier_type
from services.identity.matches.documents import MatchPolicySpec, check_policy, match_policy
from services.identity.privacy.documents import ErasureSpec, PurposeSpec, purpose, remembrances
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
    "purpose": PurposeSpec,
    "erasure": ErasureSpec,
    "identifier-type": IdentifierTypeSpec,
    "match-policy": MatchPolicySpec,
}


def compile_documents(documents: Sequence[Document]) -> Config:
    """What the rules use. Raises DocumentErrors that name every mistake."""
    mistakes = Mistakes()
    specs = parse_specs(documents, MODELS, mistakes)
    check_programmes(documents, mistakes)
    given = {
        kind: {d.code: (d, specs[kind][d.code]) for d in documents if d.kind == kind and d.code in specs[kind]}
        for kind in MODELS
    }
    for document, spec in given["group-kind"].values():
        check_kind(document, spec, specs["identifier-type"].keys(), mistakes)
    for document in documents:
        if document.kind == "identifier-type" and document.code in specs["identifier-type"]:
            check_type(document, specs["identifier-type"][document.code], mistakes)
    types = {code: identifier_type(code, spec) for code, spec in specs["identifier-type"].items()}
    for document, spec in given["match-policy"].values():
        check_policy(document, spec, types, mistakes)
    mistakes.check()
    zones = {code: ZoneInfo(programme.time_zone) for code, programme in specs["programme"].items()}
    purposes = {code: purpose(document, spec, mistakes) for code, (document, spec) in given["purpose"].items()}
    remembered = remembrances(given["erasure"], zones, mistakes)
    mistakes.check()
    return Config(
        domains={code: _domain(document, spec) for code, (document, spec) in given["domain"].items()},
        group_kinds={
            code: group_kind(code, spec, zones[document.programme])
            for code, (document, spec) in given["group-kind"].items()
        },
        purposes=purposes,
        remembrances=remembered,
        zones=frozenset(zones.values()),
        identifier_types=types,
        match_policies={code: match_policy(code, spec) for code, spec in specs["match-policy"].items()},
    )


def _domain(document: Document, spec: DomainSpec) -> Domain:
    limit = spec.accounts_per_member
    return Domain(document.code, None if limit == "unlimited" else limit, document.programme)
