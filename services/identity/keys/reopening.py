"""Commands that seal or open with a member's key: made anew when the member was merged since its key was opened."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from services.chassis.batches import Outcome
from services.chassis.errors import CODE_NUMBERS
from services.chassis.lanes import Lanes
from services.chassis.rpc import Call
from services.chassis.telemetry import current_traceparent
from services.chassis.verdicts import Verdict
from services.identity import errors
from services.identity.commands import LinkAccount
from services.identity.groups.commands import AcceptInvitation, CreateGroup
from services.identity.identifiers.commands import AddIdentifier
from services.identity.keys.keyring import Keys

C = TypeVar("C", LinkAccount, AddIdentifier, CreateGroup, AcceptInvitation)

TRIES = 5
"""How often a command is made anew."""
_CHANGED = CODE_NUMBERS[errors.ACCOUNTS_CHANGED.code]


async def until_keys_fit(
    commands: Sequence[C],
    open_keys: Callable[[Sequence[C]], Awaitable[Keys]],
    lanes: Lanes,
    call: Call,
) -> list[Outcome]:
    """What becomes of commands, each submitted with what opens the keys of the members that it means now."""
    outcomes: dict[int, Outcome] = {}
    outdated = list(range(len(commands)))
    for _ in range(TRIES):
        keys = await open_keys([commands[place] for place in outdated])
        again = [replace(commands[place], keys=keys) for place in outdated]
        answers = await lanes.submit(again, deadline=call.deadline, traceparent=current_traceparent())
        outcomes.update(zip(outdated, answers, strict=True))
        outdated = [place for place in outdated if _is_outdated(outcomes[place])]
        if not outdated:
            break
    return [outcomes[place] for place in range(len(commands))]


def _is_outdated(outcome: Outcome) -> bool:
    return isinstance(outcome, Verdict) and outcome.code == _CHANGED
