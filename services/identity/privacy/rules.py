"""Pure decisions on consents and erasures: what may cross between domains, what is remembered of whom."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from services.chassis import civil
from services.chassis.errors import Rejection
from services.identity import errors as identity_errors
from services.identity.privacy import errors
from services.identity.privacy.values import Consent, Purpose, Remembrance, Use
from services.identity.values import Config, Member, Status

Decisions = Mapping[tuple[str, str], Consent]
"""The decisions of a member that hold, by domain and purpose."""

REMEMBERED_YEARS = 11
"""Years in which something that is still remembered can have been erased: ten, and the one that has begun."""


def needed(config: Config, domain: str, use: Use) -> list[Purpose]:
    """The purposes to which a person must agree for a domain; all there are for one that is not configured."""
    configured = config.domains.get(domain)
    return [
        purpose
        for purpose in config.purposes.values()
        if use in purpose.needed_for and (configured is None or configured.programme == purpose.programme)
    ]


def is_granted(purpose: Purpose, domain: str, decisions: Decisions) -> bool:
    """Whether a person agrees; who has decided nothing agrees as the purpose says."""
    decided = decisions.get((domain, purpose.code))
    return purpose.granted_by_default if decided is None else decided.granted


def may_read(config: Config, domain: str, use: Use, decisions: Decisions) -> bool:
    """Whether who does not act in a domain may read what it gave.

    Where no purpose asks for consent, attributes may be read, and nothing else.
    """
    purposes = needed(config, domain, use)
    if not purposes:
        return use is Use.ATTRIBUTES
    return all(is_granted(purpose, domain, decisions) for purpose in purposes)


def may_be_found(config: Config, domain: str, decisions: Decisions) -> bool:
    """Whether who does not act in a domain may find whom it enrolled, by an identifier that it has already."""
    return all(is_granted(purpose, domain, decisions) for purpose in needed(config, domain, Use.IDENTIFIERS))


def stitching_refusal(
    config: Config, domains: Collection[str], decisions: Decisions, together: int
) -> Rejection | None:
    """Why accounts of these domains cannot belong to a member that has accounts of so many `together`."""
    if together < 2:
        return None
    for domain in sorted(domains):
        for purpose in needed(config, domain, Use.STITCHING):
            if not is_granted(purpose, domain, decisions):
                return errors.consent_missing(purpose.code, domain)
    return None


def consent_refusal(config: Config, member: Member | None, domain: str, purpose: str) -> Rejection | None:
    """Why a decision cannot be recorded. Whether the member may be served does not matter: withdrawing is a right."""
    if member is None:
        return identity_errors.MEMBER_UNKNOWN
    if member.status is Status.ERASED:
        return identity_errors.MEMBER_ERASED
    configured = config.domains.get(domain)
    if configured is None:
        return identity_errors.domain_unknown(domain)
    known = config.purposes.get(purpose)
    if known is None or known.programme != configured.programme:
        return errors.purpose_unknown(purpose, domain)
    return None


def united(own: Decisions, merged: Iterable[Decisions]) -> dict[tuple[str, str], Consent]:
    """The decisions of a member and of those that were merged into it: its own come first, then denials."""
    decisions: dict[tuple[str, str], Consent] = {}
    for others in merged:
        for place, consent in others.items():
            if place not in decisions or not consent.granted:
                decisions[place] = consent
    return {**decisions, **own}


def is_decided(last: Consent | None, new: Consent) -> bool:
    """Whether the same was decided before, with the same evidence and through the same domain."""
    if last is None:
        return False
    return (last.granted, last.evidence, last.through_domain) == (new.granted, new.evidence, new.through_domain)


def erasure_refusal(member: Member | None) -> Rejection | None:
    """Why a member cannot be erased for what it is."""
    if member is None:
        return identity_errors.MEMBER_UNKNOWN
    return identity_errors.MEMBER_ERASED if member.status is Status.ERASED else None


def kept_until(remembrance: Remembrance, at: datetime) -> datetime:
    """Until when a programme remembers who is erased at an instant: a start of a civil day."""
    day = civil.civil_day(at, remembrance.zone) + timedelta(days=remembrance.days)
    return civil.start_of_day(day, remembrance.zone)


def year_of(at: datetime) -> int:
    """The year that salts what is remembered of who is erased at an instant."""
    return at.year


def years_remembered(at: datetime) -> Iterable[int]:
    """The years in which somebody was erased of whom something can still be known."""
    return range(at.year - REMEMBERED_YEARS + 1, at.year + 1)
