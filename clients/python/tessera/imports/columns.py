"""What the columns of a file mean."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tessera.complaints import Complaint

DOMAIN = "domain"
EXTERNAL_ID = "external_id"
VERIFIED = "verified"
PERSON = "person"
ATTRIBUTE_PREFIX = "attr."
IDENTIFIER_PREFIX = "identifier."
VERIFIED_SUFFIX = ".verified"
MAX_ATTRIBUTES = 64
"""What identity's contract allows."""

_KNOWN = (
    f"{DOMAIN}, {EXTERNAL_ID}, {VERIFIED}, {PERSON}, {ATTRIBUTE_PREFIX}<name>, {IDENTIFIER_PREFIX}<type>, "
    f"{IDENTIFIER_PREFIX}<type>{VERIFIED_SUFFIX}"
)
_TYPE = re.compile(r"[a-z][a-z0-9-]{0,62}")
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,62}")


class BadFile(Complaint):
    """The file as a whole cannot be imported; the text says why."""


@dataclass(frozen=True, slots=True)
class IdentifierColumn:
    """Where the identifiers of a type stand, and whether each is verified."""

    type: str
    value: int
    verified: int | None


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row what stands; None for a column that the file has not."""

    names: tuple[str, ...]
    domain: int
    external_id: int
    verified: int | None
    person: int | None
    attributes: tuple[tuple[str, int], ...]
    """By the attribute's name."""
    identifiers: tuple["IdentifierColumn", ...] = ()


def read_header(names: Sequence[str]) -> Columns:
    """The columns of a header. Raises BadFile with all mistakes together."""
    missing = [name for name in (DOMAIN, EXTERNAL_ID) if name not in names]
    if len(missing) == 2:  # its first row may be no header, but somebody's data: no word of it is told
        raise BadFile(
            f"there is no header with the columns {DOMAIN} and {EXTERNAL_ID}, in UTF-8 and parted by commas "
            f"(columns can be: {_KNOWN})"
        )
    mistakes = [f"the column {name} is missing" for name in missing]
    mistakes += [f"there are {count} columns {name!r}" for name, count in Counter(names).items() if count > 1]
    attributes = [(name.removeprefix(ATTRIBUTE_PREFIX), at) for at, name in enumerate(names) if _is_attribute(name)]
    mistakes += [f"{name!r} is no name of an attribute" for name, _ in attributes if not _ATTRIBUTE.fullmatch(name)]
    types = [name.removeprefix(IDENTIFIER_PREFIX) for name in names if _is_identifier(name)]
    mistakes += [f"{type!r} is no code of a type of identifiers" for type in types if not _TYPE.fullmatch(type)]
    mistakes += [
        f"the column {name!r} stands beside no {name.removesuffix(VERIFIED_SUFFIX)!r}"
        for name in names
        if _is_verified(name) and name.removesuffix(VERIFIED_SUFFIX) not in names
    ]
    mistakes += [f"the column {name!r} is not known" for name in names if not _is_known(name)]
    if len(attributes) > MAX_ATTRIBUTES:
        mistakes.append(f"there are {len(attributes)} attributes, and at most {MAX_ATTRIBUTES} can be imported")
    if mistakes:
        raise BadFile(f"{'; '.join(mistakes)} (columns can be: {_KNOWN})")
    places = {name: at for at, name in enumerate(names)}
    return Columns(
        names=tuple(names),
        domain=places[DOMAIN],
        external_id=places[EXTERNAL_ID],
        verified=places.get(VERIFIED),
        person=places.get(PERSON),
        attributes=tuple(attributes),
        identifiers=tuple(
            IdentifierColumn(
                type, places[f"{IDENTIFIER_PREFIX}{type}"], places.get(f"{IDENTIFIER_PREFIX}{type}{VERIFIED_SUFFIX}")
            )
            for type in types
        ),
    )


def _is_attribute(name: str) -> bool:
    return name.startswith(ATTRIBUTE_PREFIX)


def _is_identifier(name: str) -> bool:
    return name.startswith(IDENTIFIER_PREFIX) and not name.endswith(VERIFIED_SUFFIX)


def _is_verified(name: str) -> bool:
    return name.startswith(IDENTIFIER_PREFIX) and name.endswith(VERIFIED_SUFFIX)


def _is_known(name: str) -> bool:
    plain = name in (DOMAIN, EXTERNAL_ID, VERIFIED, PERSON)
    return plain or _is_attribute(name) or name.startswith(IDENTIFIER_PREFIX)
