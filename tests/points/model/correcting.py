"""Wallets and scores that are corrected by hand, by one caller or by two."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services.chassis.instants import timestamp
from tessera.points.v1 import points_service_pb2 as pb
from tests.points import builders
from tests.points.model.life import SHARES, picked, share_of
from tests.points.model.looking import Looking
from tests.points.model.units import UNITS

SCORE = "score"
SCORES_ALONE = 20
"""Corrections of a score up to this need nobody's approval."""
MOSTLY = st.sampled_from([True, True, False])


@dataclass(eq=False)
class Proposed:
    """An adjustment that waits for approval; `at` is when a score is to count, if that is said."""

    adjustment_id: str
    code: str
    amount: int
    at: datetime | None


class Correcting(Looking):
    """Adjustments."""

    def get_ready(self) -> None:
        super().get_ready()
        self.proposed: list[Proposed] = []

    @rule(share=SHARES, is_more=st.booleans(), code=st.sampled_from(["sliding", "sliding", *UNITS]))
    def adjust(self, share: float, is_more: bool, code: str) -> None:
        wallet = self.wallets[code]
        amount = round(40 * share) + 1 if is_more else -share_of(wallet.available(), share)
        self._adjust(Proposed("", code, amount, None), wallet.terms.alone)

    @rule(share=SHARES, is_more=st.booleans(), hours_ago=st.sampled_from([None, 0, 7, 90, -1]))
    def correct_the_score(self, share: float, is_more: bool, hours_ago: int | None) -> None:
        """It counts from when it is said to, or from now on; never from later."""
        at = None if hours_ago is None else self.now - timedelta(hours=hours_ago)
        amount = round(30 * share) + 1 if is_more else -share_of(self.me.score_at(self.now), share)
        self._adjust(Proposed("", SCORE, amount, at), SCORES_ALONE)

    def _adjust(self, wanted: Proposed, alone: int) -> None:
        effective_at = None if wanted.at is None else timestamp(wanted.at)
        request = builders.adjust(self.me.member, wanted.amount, unit=wanted.code, effective_at=effective_at)
        answer, refused = self.verdict("Adjust", request)
        needs_approval = abs(wanted.amount) > alone
        if wanted.at is not None and wanted.at > self.now:
            assert refused == "TIME_OUT_OF_RANGE"
            return
        assert refused == ("" if needs_approval else self._too_much(wanted))
        if refused:
            return
        wanted.adjustment_id = answer.adjustment_id
        if needs_approval:
            assert answer.state == pb.ADJUSTMENT_STATE_PROPOSED
            self.proposed.append(wanted)
        else:
            self._correct(wanted)
            assert answer.balance_after == self._balance(wanted.code)

    @precondition(lambda self: self.proposed)
    @rule(which=SHARES, approve=MOSTLY, by_another=MOSTLY)
    def resolve(self, which: float, approve: bool, by_another: bool) -> None:
        """Nobody approves what they proposed; what is not there any more stays proposed."""
        proposed = picked(self.proposed, which)
        request = (builders.approve if approve else builders.reject)(proposed.adjustment_id)
        _, refused = self.verdict("ResolveAdjustment", request, "fuel" if by_another else "")
        assert refused == self._unapproved(proposed, by_another=by_another) if approve else not refused
        if not refused:
            self.proposed.remove(proposed)
            if approve:
                self._correct(proposed)

    def _unapproved(self, proposed: Proposed, *, by_another: bool) -> str:
        return self._too_much(proposed) if by_another else "APPROVAL_BY_REQUESTER"

    def _too_much(self, wanted: Proposed) -> str:
        """Why so much cannot be taken."""
        if wanted.code == SCORE:
            return "SCORE_BELOW_ZERO" if self._balance(SCORE) + wanted.amount < 0 and wanted.amount < 0 else ""
        there = self.wallets[wanted.code].available()
        return "INSUFFICIENT_POINTS" if wanted.amount < 0 and there < -wanted.amount else ""

    def _balance(self, code: str) -> int:
        return self.me.score_at(self.now) if code == SCORE else self.wallets[code].balance()

    def _correct(self, adjusted: Proposed) -> None:
        if adjusted.code == SCORE:
            self.me.score.append((adjusted.at or self.now, adjusted.amount))
            self.scores_are_equal(adjusted.at or self.now)
        else:
            lot_id = self.lot_of(adjusted.adjustment_id, adjusted.code)
            self.wallets[adjusted.code].adjust(adjusted.amount, lot_id)
