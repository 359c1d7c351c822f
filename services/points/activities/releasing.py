"""Releasing what was pending until its activity is completed. Sources: model.md "pending until an event"; E7."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.chassis import ids
from services.chassis.errors import Rejection
from services.chassis.operations import Moment
from services.points import errors, wire
from services.points.activities import wire as activity_wire
from services.points.documents import PointsConfig
from services.points.merges.drawing import score_home, send_home
from services.points.piles import NEVER, expiry_of
from services.points.specs import MAX_AMOUNT
from services.points.state import PointsState
from services.points.units import Unit
from services.points.values import ActivityRow, Completion, EntryKind, Lot, funder_account
from services.points.wallet import Wallet
from services.points.wallets.lots import settle


class Completing(NamedTuple):
    """A completed activity: what to write and tell."""

    completion: Completion
    wallets: tuple[Wallet, ...]
    released: Sequence[activity_wire.Completed]

    @property
    def member_id(self) -> UUID:
        """Whose it is."""
        return self.completion.member_id

    def apply(self, state: PointsState, moment: Moment[PointsConfig]) -> None:
        """Fold it in."""
        for wallet in self.wallets:
            state.put_wallet(wallet)
        state.put_completion(self.completion)


def release(
    state: PointsState, row: ActivityRow, completed_at: datetime, moment: Moment[PointsConfig]
) -> Completing | Rejection:
    """Release what waits for an activity of which something is left, and which is not completed yet."""
    at = max(row.effective_at, min(completed_at, moment.at))
    account_id = wire.decode_account(wire.activity_of(row.body).account_id)
    released = _release(state, row, account_id, at, moment)
    return (
        released
        if isinstance(released, Rejection)
        else Completing(Completion(row.activity_id, row.member_id, at, moment.at, _lots_in(released[1])), *released)
    )


def _open(wallet: Wallet, lot: Lot, unit: Unit | None, at: datetime) -> datetime | None:
    """Let a lot be spent from an instant on; returns when it expires then."""
    lot = lot._replace(available_at=at, expires_at=unit.terms_from(at)[0] if unit is not None else None)
    wallet.put_lot(lot)
    expires_at = expiry_of(lot, wallet.balance)
    return expires_at if expires_at != NEVER else None


def _lots_in(released: Sequence[activity_wire.Completed]) -> bytes | None:
    return b"".join(one.lot_id.bytes for one in released if one.lot_id is not None) or None


def _release(
    state: PointsState, row: ActivityRow, account_id: UUID, at: datetime, moment: Moment[PointsConfig]
) -> tuple[tuple[Wallet, ...], Sequence[activity_wire.Completed]] | Rejection:
    """The wallets with what waited released in them, less what refunds took back, and what that was."""
    refunds = state.refunds[row.activity_id]
    last = activity_wire.recorded_refund(refunds[-1].answer).taken_back if refunds else None
    by = ids.derived(row.activity_id, _COMPLETION_ORDINAL)
    wallets: dict[str, Wallet] = {}
    told: list[activity_wire.Completed] = []
    for number, effect in enumerate(activity_wire.recorded_effects(row.answer)):
        kept = last[number].kept if last is not None else effect.amount
        if not effect.until_completed or not kept:
            continue
        wallet = wallets.setdefault(effect.unit, state.wallet(row.member_id, effect.unit))
        settle(wallet, moment.at)
        expires_at = None
        if effect.lot_id is not None:
            lot = wallet.lots[effect.lot_id]
            if not (kept := lot.remaining):
                continue
            expires_at = _open(wallet, lot, moment.config.units.get(effect.unit), at)
            settle(wallet, moment.at)
        elif wallet.balance.balance + kept > MAX_AMOUNT:
            return errors.balance_out_of_range(effect.unit, wallet.balance.balance, kept)
        else:
            funder = funder_account(effect.funder)
            wallet.book(EntryKind.EARN, kept, funder, at, row.activity_id, account_id)
            score_home(state, wallet, account_id, kept, by, at)
        balance = wallet.balance.balance
        told.append(activity_wire.Completed(effect.unit, effect.funder, kept, effect.lot_id, expires_at, balance))
    for wallet in wallets.values():
        send_home(state, wallet, by, moment.at)
    return tuple(wallets.values()), told


_COMPLETION_ORDINAL = 1 << 22
"""The ordinal of which what goes on to who has the account now has IDs derived from its activity's."""
