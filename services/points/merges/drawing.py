"""Drawing on all wallets of a person: the wallet that is drawn on, taken from or given to, with what others have."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from services.chassis import ids
from services.points.merges import rules
from services.points.merges.values import ScorePart
from services.points.state import PointsState
from services.points.wallet import Wallet
from services.points.wallets.lots import settle
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


def _others(state: PointsState, member_id: UUID, unit: str) -> list[Wallet]:
    """Copies of the person's other wallets."""
    link = state.link(member_id)
    others = [each for each in (link.leads_to, *link.merged) if each is not None]
    if link.leads_to is not None:
        survivor = state.elsewhere(link.leads_to).link(link.leads_to)
        others += [each for each in survivor.merged if each != member_id]
    return [state.elsewhere(each).wallet(each, unit) for each in others]


def wallet_to_take_from(
    state: PointsState, member_id: UUID, account_id: UUID, unit: str, amount: int, by: UUID, at: datetime
) -> Wallet:
    """A copy of a wallet from which an amount is taken back, with what others of the person have of what it lacks.

    Where the account left, what is lacking is for whoever has it now (`lent_from_home`).
    """
    wallet = state.wallet(member_id, unit)
    is_enough = sum(lot.remaining for lot in wallet.lots.values()) >= amount
    if is_enough or home_of(state, member_id, account_id) is not None:
        return wallet
    return wallet_to_draw_on(state, member_id, unit, amount, by, at)


def lent_from_home(state: PointsState, wallet: Wallet, home: UUID, due: Due, by: UUID, at: datetime) -> Due:
    """What is due of a wallet, with what whoever has the account now has of it; nothing else is taken for it."""
    left = due.amount - sum(use.amount for use in due.own)
    uses = rules.lend(wallet, _at_home(state, wallet, home), left, by, at) if left else ()
    return due._replace(own=due.own + uses, only_own=True)


def send_home(state: PointsState, wallet: Wallet, by: UUID, at: datetime, known: Mapping[UUID, Wallet] = _NONE) -> None:
    """Let what came back to a wallet through accounts that left go after them, and what is owed because of them.

    `known` are wallets of the same unit, by member, that the same decision changes.
    """
    gone = _homes(state, wallet.member_id)
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
    return _homes(state, member_id).get(account_id) if state.links else None


def _homes(state: PointsState, member_id: UUID) -> dict[UUID, UUID]:
    """Accounts that left a member, each with who has it now: it may have gone on from there."""
    homes = {}
    for account_id, home in state.link(member_id).gone:
        seen = {member_id}
        while home not in seen:
            seen.add(home)
            home = dict(state.elsewhere(home).link(home).gone).get(account_id, home)
        if home != member_id:
            homes[account_id] = home
    return homes


_HOMEWARD = 1
"""What distinguishes the way back from the way here, where both are for the same request."""
