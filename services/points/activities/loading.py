"""Every SQL statement with which a batch loads what came back of activities, what waits, and what is completed.

Each is set-based and stays in one partition; `services/points/queries.py` says why `OFFSET 0`.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from services.chassis.reading import Reading
from services.points.state import PointsState
from services.points.values import Completion, ParkedRefund, RefundRow

Rows = Sequence[tuple[Any, ...]]

_REFUNDS = """
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (activity_id)
    CROSS JOIN LATERAL (
        SELECT activity_id, ordinal, member_id, reference, fingerprint, answer, refunded_at
        FROM refunds
        WHERE partition = $1
          AND activity_id = wanted.activity_id
        OFFSET 0
    ) AS found
    ORDER BY found.activity_id, found.ordinal
"""
_COMPLETIONS = """
    SELECT activity_id, member_id, completed_at, recorded_at, released
    FROM completions
    WHERE partition = $1
      AND activity_id = ANY($2)
"""
_PARKED_COLUMNS = """
    parked_refund_id, natural_key, ordinal, member_id, domain, type, activity_reference, reference, body, answer,
    state, reason, parked_at, closed_at
"""
_PARKED = f"""
    SELECT {_PARKED_COLUMNS}
    FROM parked_refunds
    WHERE partition = $1
      AND parked_refund_id = ANY($2)
"""
_PARKED_FOR = f"""
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (key)
    CROSS JOIN LATERAL (
        SELECT {_PARKED_COLUMNS}
        FROM parked_refunds
        WHERE partition = $1
          AND natural_key = wanted.key
        OFFSET 0
    ) AS found
"""
# Nothing is looked up for any activity while nothing in the partition waits.
_WAITING_FOR = f"""
    {_PARKED_FOR}
    WHERE EXISTS (
        SELECT
        FROM parked_refunds
        WHERE partition = $1
          AND state = 1
    )
"""


def read_refunds(reading: Reading, activity_ids: Iterable[UUID], state: PointsState) -> None:
    """What came back of activities, in order."""

    def take(rows: Rows) -> None:
        for row in map(RefundRow._make, rows):
            state.refunds[row.activity_id].append(row)

    reading.add(_REFUNDS, list(activity_ids), take=take)


def read_completions(reading: Reading, activity_ids: Iterable[UUID], state: PointsState) -> None:
    """Which activities are completed, and since when."""

    def take(rows: Rows) -> None:
        for row in map(Completion._make, rows):
            state.completions[row.activity_id] = row

    reading.add(_COMPLETIONS, list(activity_ids), take=take)


def read_parked(reading: Reading, parked_ids: Iterable[UUID], state: PointsState) -> None:
    """Parked refunds by ID."""
    reading.add(_PARKED, list(parked_ids), take=partial(_take_parked, state))


def read_parked_for(reading: Reading, natural_keys: Iterable[UUID], state: PointsState) -> None:
    """All that was ever parked for some activities."""
    reading.add(_PARKED_FOR, list(natural_keys), take=partial(_take_parked, state))


def read_waiting_for(reading: Reading, natural_keys: Iterable[UUID], state: PointsState) -> None:
    """What waits for activities that are being recorded."""
    reading.add(_WAITING_FOR, list(natural_keys), take=partial(_take_parked, state))


def _take_parked(state: PointsState, rows: Rows) -> None:
    for row in map(ParkedRefund._make, rows):
        state.add_parked(row)
