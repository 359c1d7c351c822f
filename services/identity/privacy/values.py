"""What identity knows of consents and erasures, as plain values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo


class Use(StrEnum):
    """What crosses from one domain to another, as documents spell it."""

    STITCHING = "stitching"
    """A domain's accounts are linked to a member that has accounts in others."""
    ATTRIBUTES = "attributes"
    """Who acts in another domain reads the attributes that a domain gave."""
    EXTERNAL_IDS = "external-ids"
    """Who acts in another domain reads how a domain calls its accounts."""
    IDENTIFIERS = "identifiers"
    """Who acts in another domain reads identifiers that a domain gave."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """Something for which a person's data may be used, or not."""

    code: str
    programme: str
    granted_by_default: bool
    needed_for: frozenset[Use]


class Consent(NamedTuple):
    """A decision of a person on the data of a domain; a row of its table."""

    member_id: UUID
    domain: str
    purpose: str
    number: int
    """Of the decisions on this domain and purpose, from 1; the last one holds."""
    granted: bool
    evidence: str
    through_domain: str
    caller: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Remembrance:
    """How long a programme remembers that a person was a member that was erased."""

    days: int
    zone: ZoneInfo
    """Days are civil days of this zone."""


@dataclass(frozen=True, slots=True)
class PersonKey:
    """What is left of an account of a member that was erased: a hash under a key and a salt, and until when."""

    partition: int
    """That of the account's route."""
    person_key: bytes
    kept_until: datetime
