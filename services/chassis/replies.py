"""From what became of commands to what a call answers."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from services.chassis.batches import Outcome
from services.chassis.errors import Refused, Rejection, from_status, to_status
from services.chassis.failures import rejection_of
from services.chassis.operations import Command
from services.chassis.validation import item_rejection
from services.chassis.verdicts import OK, Verdict

Response = TypeVar("Response", bound=Message)
Submit = Callable[[Sequence[Command]], Awaitable[list[Outcome]]]


def unary_reply(outcome: Outcome, response_class: type[Response]) -> Response:
    """The response of an outcome; a refusal and an unexpected exception are raised."""
    if not isinstance(outcome, Verdict):
        raise outcome
    if outcome.code != OK:
        raise Refused(from_status(outcome.status()))
    return response_class.FromString(outcome.payload)


async def bulk_reply(
    items: Iterable[Any],
    to_command: Callable[[Any], Command],
    submit: Submit,
    response_class: type[Response],
    error_domain: str,
) -> Response:
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
    response = response_class()
    results: Any = response.results  # type: ignore[attr-defined]  # every bulk response has them
    for refused_item in places:
        fill_result(results.add(), next(outcomes) if refused_item is None else refused_item, error_domain)
    return response


def fill_result(result: Any, outcome: Outcome | Rejection, error_domain: str) -> None:
    """Write what became of one item into its result, a message with `response` and `error`."""
    if isinstance(outcome, Verdict):
        target = result.response if outcome.code == OK else result.error
        target.MergeFromString(outcome.payload)
        target.SetInParent()
        return
    rejection = outcome if isinstance(outcome, Rejection) else rejection_of(outcome)
    result.error.CopyFrom(to_status(rejection, error_domain))
