"""From what became of commands to what a call answers."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.chassis.batches import Outcome
from services.chassis.errors import Refused, Rejection, from_status, to_status
from services.chassis.failures import rejection_of
from services.chassis.operations import Command
from services.chassis.validation import item_rejection
from services.chassis.verdicts import OK, Verdict

Submit = Callable[[Sequence[Command]], Awaitable[list[Outcome]]]

# What all contracts agree on: a bulk response has `results = 1`, and each of them `response = 1` or `error = 2`.
_RESULTS = b"\x0a"
_RESPONSE = b"\x0a"
_ERROR = b"\x12"


@dataclass(frozen=True, slots=True)
class Serialised:
    """A response that is bytes already: answers are kept serialised, and sent as they are kept."""

    answer: bytes
    refused_items: int = 0
    """How many items of a bulk call were refused."""

    def SerializeToString(self) -> bytes:
        """As a message does it."""
        return self.answer


def unary_reply(outcome: Outcome) -> Serialised:
    """The response of an outcome; a refusal and an unexpected exception are raised."""
    if not isinstance(outcome, Verdict):
        raise outcome
    if outcome.code != OK:
        raise Refused(from_status(outcome.status()))
    return Serialised(outcome.payload)


async def bulk_reply(
    items: Iterable[Any], to_command: Callable[[Any], Command], submit: Submit, error_domain: str
) -> Serialised:
    """Answer a bulk call: make a command of each item, submit those, and give each item its own result, in order.

    An item that is malformed, or that `to_command` refuses (raises Refused), is its own status and leaves its
    neighbours alone.
    """
    commands: list[Command] = []
    places: list[Rejection | None] = []
    for item in items:
        rejection = item_rejection(item)
        if rejection is None:
            try:
                commands.append(to_command(item))
            except Refused as error:
                rejection = error.rejection
        places.append(rejection)
    outcomes = iter(await submit(commands))
    results = [next(outcomes) if refused_item is None else refused_item for refused_item in places]
    answer = b"".join([bulk_result(result, error_domain) for result in results])
    return Serialised(answer, sum(1 for result in results if not is_ok(result)))


def bulk_result(outcome: Outcome | Rejection, error_domain: str) -> bytes:
    """What became of one item, as a bulk response with one result.

    Serialised messages that stand one behind the other are one message, so these make up the response to many.
    """
    if isinstance(outcome, Verdict):
        return _field(_RESULTS, _field(_RESPONSE if is_ok(outcome) else _ERROR, outcome.payload))
    rejection = outcome if isinstance(outcome, Rejection) else rejection_of(outcome)
    return _field(_RESULTS, _field(_ERROR, to_status(rejection, error_domain).SerializeToString()))


def is_error(result: bytes) -> bool:
    """Whether what `bulk_result` made is a refusal."""
    start = 1
    while result[start] & 128:
        start += 1
    return result[start + 1 : start + 2] == _ERROR


def is_ok(outcome: Outcome | Rejection) -> bool:
    """Whether an item was done as it was asked for."""
    return isinstance(outcome, Verdict) and outcome.code == OK


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _length(len(content)) + content


@lru_cache(maxsize=4096)
def _length(size: int) -> bytes:
    """A length as protobuf has it: seven bits in each byte, the lowest first, and a mark on all but the last."""
    return bytes((size,)) if size < 128 else bytes((size & 127 | 128,)) + _length(size >> 7)
