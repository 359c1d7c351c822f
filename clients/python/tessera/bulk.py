"""Reading the answer of a bulk call: each item has a result of its own, in the order of the items."""

from typing import Any

from tessera.errors import Error, error_of_status


def outcomes(reply: Any) -> list[Any]:
    """What became of each item of a bulk call: its answer, or an `Error` (a value, not raised)."""
    return [error_of_status(result.error) if result.HasField("error") else result.response for result in reply.results]


def failures(reply: Any) -> dict[int, Error]:
    """The errors of the refused items, by their place in the request; empty when all succeeded."""
    return {
        place: error_of_status(result.error) for place, result in enumerate(reply.results) if result.HasField("error")
    }
