"""What a life looks like: the service and the model say the same, now, later and of the past."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from services.chassis.instants import timestamp
from tessera.points.v1 import budget_pb2
from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import Member
from tests.points.model.life import SHARES, Life
from tests.points.model.promises import day_of
from tests.points.model.units import UNITS
from tests.points.model.wallet import Wallet


class Looking(Life):
    """What is compared."""

    def get_ready(self) -> None:
        super().get_ready()
        self.history: list[tuple[datetime, dict[str, Wallet]]] = []

    def forget_the_past(self) -> None:
        """Something took effect in the past: what was known of it no longer holds."""
        self.history.clear()

    def read(self, member: Member, at: datetime | None = None) -> dict[str, Any]:
        request = pb.GetBalanceRequest(member_id=member.member_id)
        if at is not None:
            request.effective_at.CopyFrom(timestamp(at))
        return {balance.unit: balance for balance in self.run(self.shop.points.GetBalance(request)).balances}

    def compare(self, balances: dict[str, Any], wallets: dict[str, Wallet], *, with_expiries: bool = True) -> None:
        for code, wallet in wallets.items():
            balance = balances[code]
            restricted = wallet.restricted("cafe")
            found = (balance.available, balance.pending, balance.held)
            # Of the past it is not known what was restricted.
            there = wallet.available() if with_expiries else wallet.available("cafe")
            assert found == (there, wallet.pending(), wallet.held()), code
            if with_expiries:
                assert [r.available for r in balance.restricted] == ([restricted] if restricted else [])
                expiries = [(e.expires_at.ToDatetime(UTC), e.amount) for e in balance.expiries]
                assert expiries == wallet.expiries(), code

    @invariant()
    def now_is_equal(self) -> None:
        if not hasattr(self, "history"):
            return
        self.steps += 1
        if self.steps % self.look_every:
            self.history.clear()
            return
        self.history.append((self.now, {code: wallet.at(self.now) for code, wallet in self.wallets.items()}))
        balances = self.read(self.me.member)
        self.compare(balances, self.wallets)
        assert balances["score"].available == self.me.score_at(self.now)
        self._past_is_equal(len(self.calls) * 7 % len(self.history))
        self._past_is_equal(max(0, len(self.history) - 2))

    @rule(share=SHARES, days=st.integers(0, 60), code=st.sampled_from(UNITS))
    def later_is_equal(self, share: float, days: int, code: str) -> None:
        at = self.now + timedelta(days=days, hours=24 * share)
        for person in (self.me, self.friend):
            later = {code: wallet.at(at) for code, wallet in person.wallets.items()}
            self.compare(self.read(person.member, at), later)
        self._lots_are_equal(code)

    @rule(days=st.integers(0, 40), share=SHARES)
    def score_was_equal(self, days: int, share: float) -> None:
        self.scores_are_equal(self.now - timedelta(days=days, hours=24 * share))

    def scores_are_equal(self, at: datetime) -> None:
        for person in (self.me, self.friend):
            assert self.read(person.member, at)["score"].available == person.score_at(at)

    @rule(days=st.sampled_from([0, 0, 1, 20]))
    def budgets_are_equal(self, days: int) -> None:
        at = self.now - timedelta(days=days)
        for budget in self.budgets.values():
            request = budget_pb2.GetBudgetRequest(budget=budget.code, at=timestamp(at))
            found = self.run(self.shop.points.GetBudget(request)).budget
            assert found.left == budget.left(day_of(at, self.zone)), budget.code

    def _past_is_equal(self, moment: int) -> None:
        """Half-way between a moment and the next at which something was done."""
        then, wallets = self.history[moment]
        until = next((seen_at for seen_at, _ in self.history if seen_at > then), None)
        if until is not None:
            wallets = next(known for seen_at, known in reversed(self.history) if seen_at == then)
            at = then + (until - then) / 2
            as_it_was = {code: wallet.at(at) for code, wallet in wallets.items()}
            self.compare(self.read(self.me.member, at), as_it_was, with_expiries=False)

    def _lots_are_equal(self, code: str) -> None:
        request = pb.ListLotsRequest(member_id=self.me.member.member_id, unit=code, page_size=3)
        found, token = [], "first"
        while token:
            page = self.run(self.shop.points.ListLots(request))
            found += [(lot.lot_id, lot.remaining, lot.held) for lot in page.lots]
            request.page_token = token = page.next_page_token
        wallet = self.wallets[code]
        held: dict[str, int] = {}
        for part in (part for hold in wallet.holds.values() for part in hold.parts):
            held[part.lot.lot_id] = held.get(part.lot.lot_id, 0) + part.amount
        filled = [lot for lot in sorted(wallet.lots, key=wallet.order) if lot.left or lot.lot_id in held]
        assert found == [(lot.lot_id, lot.left, held.get(lot.lot_id, 0)) for lot in filled]

    def lot_of(self, source_id: str, code: str) -> str:
        """The lot that something opened; "" when it opened none."""
        request = pb.ListLotsRequest(member_id=self.me.member.member_id, unit=code, include_closed=True, page_size=1000)
        lots = self.run(self.shop.points.ListLots(request)).lots
        return next((lot.lot_id for lot in lots if lot.source_id == source_id), "")
