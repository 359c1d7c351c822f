"""Who parts from whom when members are unmerged, and what stays.

The holder is who has all until then. A member that leaves account by account takes along what came through those; one
that leaves as a whole takes along its wallets, and the members that had been merged into it follow it.
"""

from collections.abc import Callable
from uuid import UUID

from services.points.heard import UnmergeHeard
from services.points.state_by_partition import StateByPartition

Goes = Callable[[UUID | None], bool]
"""Whether what came through an account goes to another member."""


def leaving_whole(states: StateByPartition, heard: UnmergeHeard) -> tuple[UUID, ...]:
    """Who leaves as a whole: the member, unless it left before, and those that follow it."""
    if not heard.whole:
        return ()
    leaving = (heard.member_id, *heard.absorbed_ids)
    return tuple(each for each in leaving if states.of_member(each).link(each).leads_to is not None)


def stays(states: StateByPartition, heard: UnmergeHeard) -> Goes:
    """Whether what came through an account stays with the holder, whatever wallet it is in."""
    accounts = {account.account_id for account in heard.accounts}
    known = states.of_member(heard.holder_id).accounts

    def does_stay(account_id: UUID | None) -> bool:
        account = None if account_id is None or account_id in accounts else known.get(account_id)
        return account is not None and account.member_id == heard.holder_id

    return does_stay


def leaves(states: StateByPartition, heard: UnmergeHeard) -> bool:
    """Whether the member leaves now; else it left before, with some accounts, and others follow it."""
    return states.of_member(heard.member_id).link(heard.member_id).leads_to is not None


def person(states: StateByPartition, heard: UnmergeHeard) -> list[UUID]:
    """Everybody who is one person until now; also who left account by account before."""
    link = states.of_member(heard.holder_id).link(heard.holder_id)
    return list(dict.fromkeys((heard.holder_id, heard.member_id, *link.merged)))
