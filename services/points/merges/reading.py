"""Every SQL statement with which a batch loads what came or counted through accounts, to take members apart."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis.reading import Reading
from services.points.merges.commands import LoadProvenance
from services.points.merges.counts import drawn_by
from services.points.merges.values import Drawn, ScorePart
from services.points.movements.rules import cap_key
from services.points.state import PointsState
from services.points.values import CapKey, EntryKind

# What counted for scores through each account, what moved between members with it included. Days begin at a quarter of
# an hour in every zone.
_SCORES = """
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (member_id)
    CROSS JOIN LATERAL (
        SELECT member_id, unit, account_id, date_bin('15 minutes', effective_at, 'epoch'::timestamptz) AS at,
               sum(amount)::bigint AS amount
        FROM entries
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND unit = ANY($3::text[])
        GROUP BY member_id, unit, account_id, at
        HAVING sum(amount) <> 0
        OFFSET 0
    ) AS found
"""
_BROUGHT_OVER = f"""
    SELECT found.*
    FROM unnest($2::uuid[]) AS wanted (member_id)
    CROSS JOIN LATERAL (
        SELECT movement_id
        FROM movements
        WHERE partition = $1
          AND member_id = wanted.member_id
          AND kind = {EntryKind.MERGE_IN:d}
        OFFSET 0
    ) AS found
"""
_DRAWN = f"""
    SELECT earned.member_id, a.body, a.answer, a.refunds
    FROM (
        SELECT DISTINCT member_id, source_id
        FROM entries
        WHERE partition = $1
          AND member_id = ANY($2::uuid[])
          AND kind = {EntryKind.EARN:d}
          AND (account_id = ANY($3::uuid[]) OR member_id = ANY($4::uuid[]))
          AND effective_at >= $5
    ) AS earned
    CROSS JOIN LATERAL (
        SELECT body, answer,
               ARRAY (
                   SELECT r.answer
                   FROM refunds AS r
                   WHERE r.partition = $1
                     AND r.activity_id = earned.source_id
                   ORDER BY r.ordinal
               ) AS refunds
        FROM activities
        WHERE partition = $1
          AND activity_id = earned.source_id
          AND reversed_at IS NULL
        OFFSET 0
    ) AS a
"""
_CONVERTED = f"""
    SELECT member_id, account_id, conversion, amount, moved_at
    FROM movements
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
      AND kind = {EntryKind.CONVERT_OUT:d}
      AND (account_id = ANY($3::uuid[]) OR member_id = ANY($4::uuid[]))
      AND moved_at >= $5
"""
_CAP_USES = """
    SELECT member_id, rule, period_start, used
    FROM cap_uses
    WHERE partition = $1
      AND member_id = ANY($2::uuid[])
"""


def read_provenance(reading: Reading, wanted: Collection[LoadProvenance], state: PointsState) -> None:
    """What came or counted through each account of members, once for all that want it."""
    members = {each for one in wanted for each in one.member_ids}
    scores = [code for code, unit in state.config.units.items() if not unit.is_spendable]
    _read_scores(reading, members, scores, state)
    _read_brought_over(reading, members, state)
    since = min((one.since for one in wanted if one.since is not None), default=None)
    if since is not None:
        accounts = {each for one in wanted for each in one.accounts}
        leaving = {each for one in wanted for each in one.leaving}
        _read_drawn(reading, (members, accounts, leaving), since, state)


def _read_drawn(reading: Reading, wanted: tuple[set[UUID], ...], since: datetime, state: PointsState) -> None:
    """What members drew on caps since then, through some accounts or being who leaves, and how much of them is used."""

    def take_drawn(rows: Sequence[Any]) -> None:
        for member_id, body, answer, refunds in rows:
            state.drawn.setdefault(member_id, []).extend(drawn_by(member_id, body, answer, refunds))

    def take_converted(rows: Sequence[Any]) -> None:
        for member_id, account_id, code, amount, at in rows:
            conversion = state.config.conversions.get(code)
            if conversion is None:
                continue
            key = cap_key(code, conversion.terms, conversion.source, member_id, at)
            if key is not None:
                state.drawn.setdefault(member_id, []).append(Drawn(account_id, key, amount))

    def take_uses(rows: Sequence[Any]) -> None:
        for *key, used in rows:
            state.cap_uses[CapKey(*key)] = used

    asked = (*map(list, wanted), since)
    reading.add_many(_DRAWN, *asked, take=take_drawn)
    reading.add_many(_CONVERTED, *asked, take=take_converted)
    reading.add_many(_CAP_USES, asked[0], take=take_uses)


def _read_scores(reading: Reading, member_ids: Collection[UUID], units: Collection[str], state: PointsState) -> None:
    """What members scored through each account."""

    def take(rows: Sequence[Any]) -> None:
        for member_id in member_ids:
            state.scores[member_id] = []
        for member_id, *part in rows:
            state.scores[member_id].append(ScorePart(*part))

    reading.add_many(_SCORES, list(member_ids), list(units), take=take)


def _read_brought_over(reading: Reading, member_ids: Collection[UUID], state: PointsState) -> None:
    """The movements by which points came to members from others of their person."""

    def take(rows: Sequence[Any]) -> None:
        state.brought_over.update(row[0] for row in rows)

    reading.add_many(_BROUGHT_OVER, list(member_ids), take=take)
