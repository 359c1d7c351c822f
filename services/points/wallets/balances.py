"""What a member has at an instant, right before any job has run. Pure. Sources: cases.md E17, E18."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_EXPIRIES = 6
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LotShare:
    """A part of a lot: free, or held by a hold that expires at `held_until`."""

    amount: int
    available_at: datetime
    expires_at: datetime | None
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class BalanceView:
    """A balance as it reads."""

    available: int
    pending: int
    held: int
    expiries: tuple[tuple[datetime, int], ...]


def balance_at(shares: Sequence[LotShare], debt: int, at: datetime) -> BalanceView:
    """The balance now or later: what has expired by then is gone, expired holds have let go, what is pending may be there."""
    available = pending = held = 0
    expiries: dict[datetime, int] = {}
    for share in shares:
        if share.held_until is not None and at < share.held_until:
            held += share.amount
            continue
        # A hold froze the expiry of what it held until it let go.
        expires_at = share.expires_at or NEVER
        if expires_at <= at:
            continue
        if share.available_at > at:
            pending += share.amount
            continue
        available += share.amount
        if share.expires_at is not None:
            expiries[share.expires_at] = expiries.get(share.expires_at, 0) + share.amount
    next_expiries = tuple(sorted(expiries.items())[:MAX_EXPIRIES])
    return BalanceView(available - debt, pending, held, next_expiries)


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a wallet at a past instant."""

    booked: int
    """The sum of entries effective by then."""
    expired_unbooked: int
    """What had expired by then and is not booked yet."""
    pending: int
    """What had been earned by then and could not be spent yet."""
    held: int
    """What holds held then."""


def balance_in_past(past: Past) -> BalanceView:
    """The balance at a past instant, from what was booked."""
    total = past.booked - past.expired_unbooked
    return BalanceView(total - past.pending - past.held, past.pending, past.held, ())


Balances = Mapping[str, BalanceView]
