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
MAX_ATTRIBUTES = 64
"""What identity's contract allows."""

_KNOWN = f"{DOMAIN}, {EXTERNAL_ID}, {VERIFIED}, {PERSON}, {ATTRIBUTE_PREFIX}<name>"
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,62}")


class BadFile(Complaint):
    """The file as a whole cannot be imported; the text says why."""


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


def read_header(names: Sequence[str]) -> Columns:
    """The columns of a header. Raises BadFile with all mistakes together."""
    missing = [name for name in (DOMAIN, EXTERNAL_ID) if name not in names]
    if len(missing) == 2:  # its first row may be no header, but somebody's data: no word of it is told
        raise BadFile(f"there is no header with the columns {DOMAIN} and {EXTERNAL_ID} (columns can be: {_KNOWN})")
    mistakes = [f"the column {name} is missing" for name in missing]
    mistakes += [f"there are {count} columns {name!r}" for name, count in Counter(names).items() if count > 1]
    attributes = [(name.removeprefix(ATTRIBUTE_PREFIX), at) for at, name in enumerate(names) if _is_attribute(name)]
    mistakes += [f"{name!r} is no name of an attribute" for name, _ in attributes if not _ATTRIBUTE.fullmatch(name)]
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
    )


def _is_attribute(name: str) -> bool:
    return name.startswith(ATTRIBUTE_PREFIX)


def _is_known(name: str) -> bool:
    return name in (DOMAIN, EXTERNAL_ID, VERIFIED, PERSON) or _is_attribute(name)
