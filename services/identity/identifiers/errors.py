"""Every way identifiers are refused beside those of identity; mirrors `tessera.identity.v1.ErrorReason`."""

from grpc import StatusCode

from services.chassis.errors import Rejection

IDENTIFIER_UNKNOWN = Rejection("IDENTIFIER_UNKNOWN", "nobody has such an identifier", code=StatusCode.NOT_FOUND)
IDENTIFIER_AMBIGUOUS = Rejection(
    "IDENTIFIER_AMBIGUOUS", "several members hold it, and not just one of them has verified it"
)


def identifier_type_unknown(code: str) -> Rejection:
    """No such type."""
    return Rejection(
        "IDENTIFIER_TYPE_UNKNOWN",
        f"no type of identifier {code} is configured",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"type": code},
    )


def identifier_unparseable(code: str, problem: str) -> Rejection:
    """The value is none of its type. `problem` never repeats it."""
    return Rejection(
        "IDENTIFIER_UNPARSEABLE",
        f"the value is no {code}: {problem}",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"type": code, "problem": problem},
    )


def identifier_too_long(code: str, limit: int) -> Rejection:
    """The value is too long."""
    return Rejection(
        "IDENTIFIER_TOO_LONG",
        f"a {code} has at most {limit} characters",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"type": code, "limit": str(limit)},
    )


def identifier_not_normalised(code: str) -> Rejection:
    """Characters that are not what they seem."""
    return Rejection(
        "IDENTIFIER_NOT_NORMALISED",
        "the value has characters that do not show, are not assigned, or stand for others",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"type": code},
    )


def identifier_confusable(code: str) -> Rejection:
    """Letters that are not what they seem."""
    return Rejection(
        "IDENTIFIER_CONFUSABLE",
        "the value mixes scripts, or is written in letters that look like Latin ones",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"type": code},
    )


def identifier_blocked(code: str) -> Rejection:
    """A value of nobody."""
    return Rejection("IDENTIFIER_BLOCKED", "the value says nothing about a person", metadata={"type": code})


def identifier_limit(limit: int) -> Rejection:
    """Too many to be a person's."""
    return Rejection(
        "IDENTIFIER_LIMIT",
        f"a member is given {limit} identifiers at most",
        metadata={"limit": str(limit)},
    )


def identifier_not_searchable(code: str) -> Rejection:
    """Nobody is found by it."""
    return Rejection("IDENTIFIER_NOT_SEARCHABLE", f"nobody is found by a {code}", metadata={"type": code})
