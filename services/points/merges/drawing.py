"""Drawing on all wallets of a person: the wallet that is drawn on, taken from or given to, with what others have."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from services.chassis import ids
from services.points.merges import rules
from services.points.merges.rules import changed
from services.points.merges.values import ScorePart
from services.points.state import PointsState
from services.points.wallet import Wallet
from services.points.wallets.lots import free, settle
from services.points.wallets.taking_back import Due

_NONE: Mapping[UUID, Wallet] = MappingProxyType({})


def wallet_to_draw_on(
    state: PointsState,
    member_id: UUID,
    unit: str,
    amount: int | None,
    by: UUID,
    at: datetime,
    merchant: str | None = None,
) -> Wallet:
    """A copy of a wallet, for rules to change, with what the person's other wallets are to contribute to an amount."""
    wallet, others = state.wallet(member_id, unit), _others(state, member_id, unit)
    if others:
        rules.bring_over(wallet, others, amount, merchant, by, at)
    return wallet


def wallets_without_debt(state: PointsState, member_id: UUID, unit: str, by: UUID, at: datetime) -> list[Wallet]:
    """Copies of all wallets of a person, the member's first; what one of them owes is paid as far as others can."""
    wallet, others = state.wallet(member_id, unit), _others(state, member_id, unit)
    settle(wallet, at)
    if others:
        rules.bring_over(wallet, others, 0, None, by, at)
        wallet.others = ()
    return [wallet, *others]


def wallet_to_give_to(state: PointsState, member_id: UUID, unit: str, at: datetime) -> Wallet:
    """A copy of a wallet, for rules to change, that knows what the person's other wallets come to."""
    wallet = state.wallet(member_id, unit)
    wallet.elsewhere = balance_elsewhere(state, member_id, unit, at)
    return wallet


def balance_elsewhere(state: PointsState, member_id: UUID, unit: str, at: datetime) -> int:
    """What the person's other wallets come to, as far as they are loaded."""
    others = _others(state, member_id, unit)
    for other in others:
        settle(other, at)
    return sum(other.balance.balance for other in others)


def _others(state: PointsState, member_id: UUID, unit: str, known: Iterable[Wallet] = ()) -> list[Wallet]:
    """Copies of the person's other wallets, as far as they are not `known` already."""
    link = state.link(member_id)
    others = [each for each in (link.leads_to, *link.merged) if each is not None]
    if link.leads_to is not None:
        survivor = state.elsewhere(link.leads_to).link(link.leads_to)
        others += [each for each in survivor.merged if each != member_id]
    copies = {wallet.member_id: wallet for wallet in known}
    return [copies.get(each) or state.elsewhere(each).wallet(each, unit) for each in others]


def with_lent(
    state: PointsState, wallet: Wallet, account_id: UUID, home: UUID | None, due: Due, by: UUID, at: datetime
) -> Due:
    """What is due of a wallet of what came through an account, with what others have of it.

    Of a person first what is left of what came through the account, in whatever wallet, then what all have. Where the
    account left, what whoever it left with has, in the same order, and nothing else.
    """
    left = due.amount - sum(use.amount for use in due.own)
    if home is not None and left:
        uses = rules.lend(wallet, _at_home(state, wallet, home), left, account_id, by, at, with_rest=True)
        return due._replace(own=due.own + uses, only_own=True)
    if home is not None:
        return due._replace(only_own=True)
    if not left or wallet.member_id not in state.links:
        return due
    others = _others(state, wallet.member_id, wallet.unit, known=wallet.others)
    uses = rules.burn_of_account(wallet, account_id, left, at)
    for other in others:
        uses += rules.lend(wallet, other, left - sum(use.amount for use in uses), account_id, by, at)
    left -= sum(use.amount for use in uses)
    if others and left > free(wallet, at):
        rules.bring_over(wallet, others, left, None, ids.derived(by, _THE_REST), at)
    else:
        wallet.others = changed(others)
    return due._replace(own=due.own + uses)


def send_home(state: PointsState, wallet: Wallet, by: UUID, at: datetime, known: Mapping[UUID, Wallet] = _NONE) -> None:
    """Let what came back to a wallet through accounts that left go after them, and what is owed because of them.

    `known` are wallets of the same unit, by member, that the same decision changes.
    """
    gone = homes_of(state, wallet.member_id)
    for home in sorted(set(gone.values())):
        lent = next((other for other in wallet.others if other.member_id == home), None)
        target = lent or known.get(home) or state.elsewhere(home).wallet(home, wallet.unit)
        uses = rules.take(wallet, lambda lot, home=home: gone.get(lot.account_id) == home)  # type: ignore[misc]  # bound now
        if uses:
            rules.move(wallet, target, uses, ids.derived(by, _HOMEWARD), at)
        rules.move_debts(wallet, target, lambda account, home=home: gone.get(account) == home, by, at)  # type: ignore[misc]  # as above
        if lent is None and home not in known and (target.entries or target.changed_lots):
            wallet.others += (target,)


def score_home(state: PointsState, wallet: Wallet, account_id: UUID, amount: int, by: UUID, at: datetime) -> None:
    """Let what was booked of a score through an account that left count for whoever has it now."""
    home = home_of(state, wallet.member_id, account_id)
    if home is None or not amount:
        return
    rules.move_score(wallet, _at_home(state, wallet, home), ScorePart(wallet.unit, account_id, at, amount), by)


def _at_home(state: PointsState, wallet: Wallet, home: UUID) -> Wallet:
    """The wallet of who has an account now, which changes with the one that the account left."""
    found = next((other for other in wallet.others if other.member_id == home), None)
    if found is None:
        found = state.elsewhere(home).wallet(home, wallet.unit)
        wallet.others += (found,)
    return found


def home_of(state: PointsState, member_id: UUID, account_id: UUID) -> UUID | None:
    """Who has an account now that left a member; None where it did not."""
    return homes_of(state, member_id).get(account_id) if state.links else None


def homes_of(state: PointsState, member_id: UUID) -> dict[UUID, UUID]:
    """Accounts that left a member or its survivor, each with who has it now: it may have gone on from there."""
    homes = {}
    for account_id, home in _gone(state, member_id).items():
        seen = {member_id}
        while home not in seen:
            seen.add(home)
            home = _gone(state, home).get(account_id, home)
        if home != member_id:
            homes[account_id] = home
    return homes


def _gone(state: PointsState, member_id: UUID) -> dict[UUID, UUID]:
    """Accounts that left a member, or the one that it was merged into, each with whom they left."""
    link = state.elsewhere(member_id).link(member_id)
    if link.leads_to is None:
        return dict(link.gone)
    return dict(state.elsewhere(link.leads_to).link(link.leads_to).gone) | dict(link.gone)


_HOMEWARD = 1
_THE_REST = 2
"""What distinguishes the way back, and what everybody gives, from the way here, where all are for the same request."""
