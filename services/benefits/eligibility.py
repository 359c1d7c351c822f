"""Eligibility: a condition over what is known of a member, judged once for each standing there is."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.benefits import errors
from services.chassis import cel

MAX_REMEMBERED = 10_000
"""Standings whose judgement is remembered, of one benefit; there are as many as the ladders' levels combine to."""

_ENROLLED_AT = "member.enrolled_at"
_CONDITIONS = cel.Conditions(
    {
        "level": cel.STRING_MAP,
        "rank": cel.INT_MAP,
        _ENROLLED_AT: cel.TIMESTAMP,
    }
)


class Eligibility:
    """A compiled condition over `level` and `rank` (by ladder) and `member.enrolled_at`."""

    __slots__ = ("_condition", "_lowest", "_remembered", "asks_for_enrolment", "refusal")

    def __init__(self, source: str, lowest: Mapping[str, str]) -> None:
        """`lowest` is the lowest level of each ladder, where everybody stands of whom tiers has told nothing else.

        Raises cel.ExpressionError for unknown names, wrong types, and what is not true or false.
        """
        self._condition = _CONDITIONS.compile(source)
        self._lowest = lowest
        self._remembered: dict[Any, bool] = {}
        self.asks_for_enrolment = "member" in source
        self.refusal = errors.not_eligible(source)

    def holds(self, standing: str, enrolled_at: datetime | None) -> bool:
        """Whether a member of that standing (standings.py) is eligible. What is not known does not hold."""
        key = (standing, enrolled_at) if self.asks_for_enrolment else standing
        known = self._remembered.get(key)
        if known is None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            known = self._remembered[key] = self._judge(standing, enrolled_at)
        return known

    def _judge(self, standing: str, enrolled_at: datetime | None) -> bool:
        places = json.loads(standing)
        data: dict[str, Any] = {
            "level": {**self._lowest, **{ladder: level for ladder, level, _ in places}},
            "rank": {**dict.fromkeys(self._lowest, 0), **{ladder: rank for ladder, _, rank in places}},
        }
        if enrolled_at is not None:
            data[_ENROLLED_AT] = enrolled_at
        return self._condition.holds(data)
