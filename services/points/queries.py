"""Every SQL statement with which a batch of points loads its state. Each is set-based and stays in one partition.

What `OFFSET 0` ends is planned by itself, a look-up for each key: a plan for all keys at once, made while the table is
young, reads the whole partition, and is kept while the table grows.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from services.chassis.reading import Reading
from services.points.state import PointsState
from services.points.values import (
    Account,
    ActivityRow,
    Adjustment,
    Balance,
    CapKey,
    Clawback,
    Gift,
    Hold,
    Lot,
    LotUse,
    Spend,
)

Rows = Sequence[tuple[Any, ...]]


def _uses(user_id: str) -> str:
    """The lots of a hold, a spend or what else uses lots, in order: a column of a query of their owner."""
    return f"""
        ARRAY (
            SELECT (u.lot_id, u.amount, u.refunded)
            FROM lot_uses AS u
            WHERE u.partition = owner.partition
              AND u.user_id = owner.{user_id}
            ORDER BY u.ordinal
        )
    """


_MEMBERS = """
    SELECT member_id, status
    FROM members
    WHERE partition = $1
      AND member_id = ANY($2)
"""
_ACCOUNTS = """
    SELECT account_id, member_id, domain, linked
    FROM accounts
    WHERE partition = $1
      AND account_id = ANY($2)
"""
# Of each member the level from which on something is asked, and what came after: years of levels are of no use here.
_STANDINGS = """
    SELECT s.member_id, s.ladder, s.effective_from, s.level
    FROM unnest($2::uuid[], $3::timestamptz[]) AS wanted (member_id, earliest)
    CROSS JOIN unnest($4::text[]) AS named (ladder)
    CROSS JOIN LATERAL (
        SELECT coalesce(max(effective_from), wanted.earliest) AS effective_from
        FROM standings
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND ladder = named.ladder
          AND stands
          AND effective_from <= wanted.earliest
    ) AS first
    CROSS JOIN LATERAL (
        SELECT member_id, ladder, effective_from, level
        FROM standings
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND ladder = named.ladder
          AND stands
          AND effective_from >= first.effective_from
        OFFSET 0
    ) AS s
    ORDER BY s.member_id, s.ladder, s.effective_from
"""
_ACTIVITY_COLUMNS = """
    activity_id, natural_key, member_id, effective_at, fingerprint, body, answer, lines, reversed_at
"""
_ACTIVITIES = f"""
    SELECT {_ACTIVITY_COLUMNS}
    FROM activities
    WHERE partition = $1
      AND activity_id = ANY($2)
    UNION
    SELECT found.*
    FROM unnest($3::uuid[]) AS wanted (key)
    CROSS JOIN LATERAL (
        SELECT {_ACTIVITY_COLUMNS}
        FROM activities
        WHERE partition = $1
          AND natural_key = wanted.key
        OFFSET 0
    ) AS found
"""
_ACTIVITIES_OF_PARKED = f"""
    SELECT found.*
    FROM parked_refunds AS p
    CROSS JOIN LATERAL (
        SELECT {_ACTIVITY_COLUMNS}
        FROM activities
        WHERE partition = $1
          AND natural_key = p.natural_key
        OFFSET 0
    ) AS found
    WHERE p.partition = $1
      AND p.parked_refund_id = ANY($2)
"""
_BALANCES = """
    SELECT member_id, unit, balance, debt, slides_to
    FROM balances
    WHERE partition = $1
      AND member_id = ANY($2)
"""
_LOT_COLUMNS = """
    member_id, lot_id, unit, amount, remaining, held, expired, available_at, expires_at, funder, source_id, account_id,
    slides, origin_lot, merchant
"""
_OPEN_LOTS = f"""
    SELECT {_LOT_COLUMNS}
    FROM lots
    WHERE partition = $1
      AND member_id = ANY($2)
      AND (remaining > 0 OR held > 0)
"""
_LOTS = f"""
    SELECT found.*
    FROM unnest($2::uuid[], $3::uuid[]) AS wanted (member_id, lot_id)
    CROSS JOIN LATERAL (
        SELECT {_LOT_COLUMNS}
        FROM lots
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND lot_id = wanted.lot_id
        OFFSET 0
    ) AS found
"""
_LOTS_OF_ACTIVITIES = f"""
    SELECT found.*
    FROM unnest($2::uuid[], $3::uuid[]) AS wanted (member_id, source_id)
    CROSS JOIN LATERAL (
        SELECT {_LOT_COLUMNS}
        FROM lots
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND source_id = wanted.source_id
        OFFSET 0
    ) AS found
"""
_HOLD_COLUMNS = f"""
    hold_id, member_id, account_id, domain, unit, amount, captured, state, reference, placed_at, expires_at, closed_at,
    {_uses("hold_id")}, order_minor
"""
_HOLDS = f"""
    SELECT {_HOLD_COLUMNS}
    FROM holds AS owner
    WHERE partition = $1
      AND hold_id = ANY($2)
"""
_OPEN_HOLDS = f"""
    SELECT {_HOLD_COLUMNS}
    FROM holds AS owner
    WHERE partition = $1
      AND member_id = ANY($2)
      AND closed_at IS NULL
"""
_CLAWBACKS = f"""
    SELECT clawback_id, member_id, account_id, unit, activity_id, funder, amount, owed, taken_at,
           {_uses("clawback_id")}
    FROM clawbacks AS owner
    WHERE partition = $1
      AND member_id = ANY($2)
      AND owed > 0
"""
_SPENDS = f"""
    SELECT spend_id, member_id, account_id, domain, unit, amount, refunded, reference, spent_at,
           {_uses("spend_id")}, order_minor, order_returned, pooled_spend_id
    FROM spends AS owner
    WHERE partition = $1
      AND spend_id = ANY($2)
"""
_GIFTS = f"""
    SELECT gift_id, member_id, account_id, domain, to_member_id, to_account_id, to_domain, unit, amount, state,
           reference, given_at, expires_at, closed_at,
           {_uses("gift_id")}
    FROM gifts AS owner
    WHERE partition = $1
      AND gift_id = ANY($2)
"""
_ADJUSTMENTS = f"""
    SELECT adjustment_id, member_id, account_id, domain, unit, amount, cause, funder, state, requested_by, requested_at,
           resolved_by, resolved_at, effective_at,
           {_uses("adjustment_id")}
    FROM adjustments AS owner
    WHERE partition = $1
      AND adjustment_id = ANY($2)
"""
_CAP_USES = """
    SELECT DISTINCT found.*
    FROM unnest($2::uuid[], $3::text[], $4::date[]) AS wanted (member_id, rule, earliest)
    CROSS JOIN LATERAL (
        SELECT member_id, rule, period_start, used
        FROM cap_uses
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND rule = wanted.rule
          AND period_start >= wanted.earliest
        OFFSET 0
    ) AS found
"""


def read_members(reading: Reading, member_ids: Iterable[UUID], state: PointsState) -> None:
    """The statuses of members."""
    reading.add(_MEMBERS, list(member_ids), take=state.members.update)


def read_accounts(reading: Reading, account_ids: Iterable[UUID], state: PointsState) -> None:
    """Accounts and whose they are."""

    def take(rows: Rows) -> None:
        for row in rows:
            state.accounts[row[0]] = Account(*row)

    reading.add(_ACCOUNTS, list(account_ids), take=take)


def read_standings(
    reading: Reading, earliest: Mapping[UUID, datetime], ladders: Iterable[str], state: PointsState
) -> None:
    """The levels of members on some ladders, each from an instant on."""

    def take(rows: Rows) -> None:
        for row in rows:
            state.add_standing(*row)

    reading.add(_STANDINGS, list(earliest), list(earliest.values()), list(ladders), take=take)


def read_activities(
    reading: Reading, activity_ids: Iterable[UUID], natural_keys: Iterable[UUID], state: PointsState
) -> None:
    """Activities by ID or natural key: whether they are recorded, and what they did."""
    reading.add(_ACTIVITIES, list(activity_ids), list(natural_keys), take=partial(_take_activities, state))


def _take_activities(state: PointsState, rows: Rows) -> None:
    for row in rows:
        state.add_activity(ActivityRow(*row))


def read_activities_of_parked(reading: Reading, parked_ids: Iterable[UUID], state: PointsState) -> None:
    """The activities of parked refunds, if they are recorded by now."""
    reading.add(_ACTIVITIES_OF_PARKED, list(parked_ids), take=partial(_take_activities, state))


def read_balances(reading: Reading, member_ids: Iterable[UUID], state: PointsState) -> None:
    """Balances of all units."""

    def take(rows: Rows) -> None:
        for member_id, unit, *balance in rows:
            state.balances[member_id, unit] = Balance(*balance)

    reading.add(_BALANCES, list(member_ids), take=take)


def read_cap_uses(reading: Reading, keys: Sequence[CapKey], state: PointsState) -> None:
    """How much of caps is used, in the periods given and later ones."""

    def take(rows: Rows) -> None:
        for *key, used in rows:
            state.cap_uses[CapKey(*key)] = used

    columns = [key.member_id for key in keys], [key.rule for key in keys], [key.period_start for key in keys]
    reading.add(_CAP_USES, *columns, take=take)


def read_open_lots(reading: Reading, member_ids: Iterable[UUID], state: PointsState) -> None:
    """Lots in which something is left or held."""
    reading.add_many(_OPEN_LOTS, list(member_ids), take=partial(_take_lots, state))


def read_lots(reading: Reading, wanted: Sequence[tuple[UUID, UUID]], state: PointsState) -> None:
    """Lots by member and ID, closed ones too."""
    member_ids, lot_ids = [member for member, _ in wanted], [lot for _, lot in wanted]
    reading.add_many(_LOTS, member_ids, lot_ids, take=partial(_take_lots, state))


def read_lots_of_activities(reading: Reading, wanted: Sequence[tuple[UUID, UUID]], state: PointsState) -> None:
    """Lots by member and the activity they came from, closed ones too."""
    member_ids, activity_ids = [member for member, _ in wanted], [activity for _, activity in wanted]
    reading.add_many(_LOTS_OF_ACTIVITIES, member_ids, activity_ids, take=partial(_take_lots, state))


def _take_lots(state: PointsState, rows: Rows) -> None:
    for lot in map(Lot._make, rows):
        state.add_lot(lot)


def read_holds(reading: Reading, hold_ids: Iterable[UUID], state: PointsState) -> None:
    """Holds by ID, with the lots they hold."""
    reading.add(_HOLDS, list(hold_ids), take=partial(_take_holds, state))


def read_open_holds(reading: Reading, member_ids: Iterable[UUID], state: PointsState) -> None:
    """The open holds of members, with the lots they hold."""
    reading.add(_OPEN_HOLDS, list(member_ids), take=partial(_take_holds, state))


def _take_holds(state: PointsState, rows: Rows) -> None:
    for row in rows:
        *values, uses, order_minor = row
        state.add_hold(Hold(*(*values, _lot_uses(uses), order_minor)))


def read_spends(reading: Reading, spend_ids: Iterable[UUID], state: PointsState) -> None:
    """Spends by ID, with the lots they burnt."""

    def take(rows: Rows) -> None:
        for row in rows:
            *values, uses, order_minor, order_returned, pooled_spend_id = row
            spend = Spend(*(*values, _lot_uses(uses), order_minor, order_returned, pooled_spend_id))
            state.spends[spend.spend_id] = spend

    reading.add(_SPENDS, list(spend_ids), take=take)


def read_gifts(reading: Reading, gift_ids: Iterable[UUID], state: PointsState) -> None:
    """Gifts by ID, with the lots they came from."""

    def take(rows: Rows) -> None:
        for row in rows:
            gift = Gift(*(*row[:-1], _lot_uses(row[-1])))
            state.gifts[gift.gift_id] = gift

    reading.add(_GIFTS, list(gift_ids), take=take)


def read_adjustments(reading: Reading, adjustment_ids: Iterable[UUID], state: PointsState) -> None:
    """Adjustments by ID, with the lots they took from."""

    def take(rows: Rows) -> None:
        for row in rows:
            adjustment = Adjustment(*(*row[:-1], _lot_uses(row[-1])))
            state.adjustments[adjustment.adjustment_id] = adjustment

    reading.add(_ADJUSTMENTS, list(adjustment_ids), take=take)


def read_clawbacks(reading: Reading, member_ids: Iterable[UUID], state: PointsState) -> None:
    """What members still owe, with the lots that it was taken from and paid by so far."""

    def take(rows: Rows) -> None:
        for row in rows:
            state.add_clawback(Clawback(*(*row[:-1], _lot_uses(row[-1]))))

    reading.add(_CLAWBACKS, list(member_ids), take=take)


def _lot_uses(rows: Rows) -> tuple[LotUse, ...]:
    return tuple([LotUse(*row) for row in rows])
