"""What merging and unmerging have in common: names that lead to somebody else."""

from collections.abc import Collection
from dataclasses import replace

from services.chassis.operations import Moment
from services.identity.merges.commands import MergeCommand
from services.identity.state import State
from services.identity.values import Account, Config, Member, Route, RouteKey
from services.identity.wire import Place


def routes_to(
    state: State, accounts: Collection[Account], member: Member, known: Collection[RouteKey]
) -> tuple[Route, ...] | None:
    """The names of accounts as they lead to a member; None when one of them is not among those that were `known`."""
    names = {route.blind_index for route in known}
    if not {account.blind_index for account in accounts} <= names:
        return None
    found = (state.route(account.blind_index) for account in accounts)
    return tuple(
        replace(route, member_id=member.member_id, status=member.status) for route in found if route is not None
    )


def place(command: MergeCommand, partition: int, moment: Moment[Config]) -> Place:
    """Where the change is committed; a dry run is committed nowhere."""
    return None if command.validate_only else (partition, moment.positions[partition])
