"""Random lives of members that are merged and unmerged, against an oracle that knows accounts alone.

Points belong to the account through which they came: a person has what its accounts have, spends the lots of all of
them in the order in which they expire, and whoever takes an account takes what is left of its points, what it scored
and what it drew on caps. Replay: the seed is the test's parameter.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tessera.points.v1 import points_service_pb2 as pb
from tests.points.builders import (
    SCORE,
    SHANGHAI,
    Member,
    Shop,
    capture,
    grant,
    hold,
    in_group,
    open_shop,
    outcome,
    refund,
    release,
    reverse,
    rule,
    spend,
    unit,
)
from tests.points.merging import merge, unmerge

PEOPLE = 5
STEPS = 60
MAX_BALANCE = 400
CAP = 200
DOCUMENTS = (
    unit(max_balance=MAX_BALANCE, pooling={"order": "by-expiry"}),
    unit("earned"),
    rule("for-all", "earned", cap={"amount": CAP, "period": "month"}),
    *SCORE,
)


@dataclass
class Lot:
    account: str
    remaining: int
    expires_at: datetime


@dataclass
class Bought:
    """An activity: through which account, in which month, what it drew on the cap, and what it scored."""

    account: str
    month: tuple[int, int]
    drawn: int
    score: int


@dataclass
class Oracle:
    """Who holds which account, and what is left of its points."""

    holder: dict[str, int] = field(default_factory=dict)
    home: dict[str, int] = field(default_factory=dict)
    leads_to: dict[int, int] = field(default_factory=dict)
    by_merge: dict[int, int] = field(default_factory=dict)
    """By which merge an ID leads elsewhere."""
    lots: list[Lot] = field(default_factory=list)
    used: dict[str, list[tuple[Lot, int]]] = field(default_factory=dict)
    """What spends and holds took, by their ID, in order."""
    held: dict[str, tuple[int, int]] = field(default_factory=dict)
    """In whose wallet an open hold is, and how much it holds."""
    bought: dict[str, Bought] = field(default_factory=dict)
    now: datetime = datetime.max

    def meant(self, person: int) -> int:
        return self.leads_to.get(person, person)

    def of(self, *persons: int) -> list[Lot]:
        meant = {self.meant(person) for person in persons}
        lots = [lot for lot in self.lots if self.holder[lot.account] in meant and lot.expires_at > self.now]
        return sorted(lots, key=lambda lot: lot.expires_at)

    def comes_to(self, person: int) -> int:
        """What is there, and what is held in a wallet of the person."""
        held = (amount for owner, amount in self.held.values() if self.meant(owner) == self.meant(person))
        return self.balance(person) + sum(held)

    def drawn(self, person: int) -> int:
        """What the person's accounts drew on the cap this month, and did not give back."""
        month = month_of(self.now)
        return sum(one.drawn for one in self.bought_by(person) if one.month == month)

    def bought_by(self, person: int) -> list[Bought]:
        return [one for one in self.bought.values() if self.holder[one.account] == self.meant(person)]

    def balance(self, *persons: int) -> int:
        return sum(lot.remaining for lot in self.of(*persons))

    def take(self, amount: int, *persons: int) -> list[tuple[Lot, int]]:
        uses = []
        for lot in self.of(*persons):
            taken = min(amount, lot.remaining)
            if taken:
                lot.remaining -= taken
                amount -= taken
                uses.append((lot, taken))
        return uses

    def give_back(self, used_id: str, amount: int) -> None:
        """Back to the very lots, the last one used first."""
        uses = self.used[used_id]
        while amount:
            lot, taken = uses.pop()
            back = min(amount, taken)
            lot.remaining += back
            amount -= back
            if back < taken:
                uses.append((lot, taken - back))


def month_of(at: datetime) -> tuple[int, int]:
    day = at.astimezone(SHANGHAI)
    return day.year, day.month


@dataclass
class Made:
    """A merge: with which accounts, and with whom who had been merged before, by which merge each."""

    number: int
    survivor: int
    merged: int
    coming: list[str]
    absorbed: dict[int, int]
    is_undone: bool = False


@dataclass
class Life:
    """A shop, its oracle, and the dice."""

    shop: Shop
    dice: random.Random
    members: list[Member]
    accounts: dict[str, Member]
    oracle: Oracle
    group: UUID
    merges: list[Made] = field(default_factory=list)
    open_holds: dict[str, int] = field(default_factory=dict)
    spends: dict[str, int] = field(default_factory=dict)
    days: int = 0

    def someone(self) -> int:
        return self.dice.randrange(PEOPLE)

    def sent(self, person: int) -> Member:
        """A person as a caller knows it: by any of its IDs, with any of its accounts."""
        oracle, meant = self.oracle, self.oracle.meant(person)
        name = self.dice.choice([name for name, holder in oracle.holder.items() if holder == meant])
        account = self.accounts[name]
        return Member(self.members[person].uuid, account.account_uuid, account.domain)

    async def give(self) -> None:
        person = self.someone()
        sent, amount = self.sent(person), self.dice.randint(1, 100)
        self.days += 1
        until = self.oracle.now + timedelta(days=self.dice.randint(1, 90), minutes=self.days)
        found = await outcome(self.shop.points.Grant(grant(sent, amount, until)))
        if self.oracle.comes_to(person) + amount > MAX_BALANCE:
            assert found == "BALANCE_LIMIT_EXCEEDED"
            return
        assert not found
        self.oracle.lots.append(Lot(self.name_of(sent), amount, until))

    def name_of(self, sent: Member) -> str:
        return next(name for name, account in self.accounts.items() if account.account_uuid == sent.account_uuid)

    async def buy(self) -> None:
        person = self.someone()
        sent, paid = self.sent(person), self.dice.randint(1, 80)
        earned = await self.shop.earn(sent, paid)
        drawn = min(paid, max(0, CAP - self.oracle.drawn(person)))
        by_unit = {earning.unit: earning.amount for earning in earned.earnings}
        assert by_unit == {"earned": drawn, "score": paid}, f"{by_unit}, not {drawn} and {paid}"
        self.oracle.bought[earned.activity_id] = Bought(self.name_of(sent), month_of(self.oracle.now), drawn, paid)

    async def bring_back(self) -> None:
        """What was bought comes back as a whole, whoever has its account now."""
        if self.oracle.bought:
            activity_id = self.dice.choice(list(self.oracle.bought))
            await self.shop.points.ReverseActivity(reverse(activity_id))
            del self.oracle.bought[activity_id]

    async def pool(self) -> None:
        """The first two spend together, as far as none of them is somebody else."""
        if self.oracle.leads_to.keys() & {0, 1}:
            return
        if there := self.oracle.balance(0, 1):
            amount = self.dice.randint(1, there)
            spender = self.dice.choice([0, 1])
            if not any(holder == spender for holder in self.oracle.holder.values()):
                return
            request = spend(self.sent(spender), amount, group_id=in_group(self.group))
            spent = await self.shop.points.Spend(request)
            self.oracle.used[spent.spend_id] = self.oracle.take(amount, 0, 1)
            self.spends[spent.spend_id] = amount

    async def let_pass(self) -> None:
        """Lots expire, months end."""
        await self.shop.jump_to(self.oracle.now + timedelta(days=self.dice.choice([1, 3, 20])))
        self.oracle.now = await self.shop.now()

    async def spend(self) -> None:
        person = self.someone()
        if there := self.oracle.balance(person):
            amount = self.dice.randint(1, there)
            spent = await self.shop.points.Spend(spend(self.sent(person), amount))
            self.oracle.used[spent.spend_id] = self.oracle.take(amount, person)
            self.spends[spent.spend_id] = amount

    async def refund(self) -> None:
        if self.spends:
            spend_id = self.dice.choice(list(self.spends))
            amount = self.dice.randint(1, self.spends[spend_id])
            await self.shop.points.RefundSpend(refund(spend_id, amount))
            self.oracle.give_back(spend_id, amount)
            self.spends[spend_id] -= amount
            if not self.spends[spend_id]:
                del self.spends[spend_id]

    async def hold(self) -> None:
        person = self.someone()
        if there := self.oracle.balance(person):
            amount = self.dice.randint(1, there)
            until = await self.shop.now() + timedelta(days=300)
            placed = await self.shop.points.Hold(hold(self.sent(person), amount, until))
            self.oracle.used[placed.hold_id] = self.oracle.take(amount, person)
            self.open_holds[placed.hold_id] = amount
            self.oracle.held[placed.hold_id] = (self.oracle.meant(person), amount)

    async def close(self) -> None:
        if self.open_holds:
            hold_id, amount = self.open_holds.popitem()
            del self.oracle.held[hold_id]
            if self.dice.random() < 0.5:
                await self.shop.points.ReleaseHold(release(hold_id))
                self.oracle.give_back(hold_id, amount)
            else:
                part = self.dice.randint(1, amount)
                captured = await self.shop.points.CaptureHold(capture(hold_id, part))
                self.oracle.give_back(hold_id, amount - part)
                self.oracle.used[captured.spend_id] = self.oracle.used.pop(hold_id)
                self.spends[captured.spend_id] = part

    async def merge(self) -> None:
        survivor, merged = self.someone(), self.someone()
        leads_to, oracle = self.oracle.leads_to, self.oracle
        if survivor == merged or survivor in leads_to or merged in leads_to:
            return
        absorbed = {person: oracle.by_merge[person] for person, to in leads_to.items() if to == merged}
        coming = [name for name, holder in oracle.holder.items() if holder == merged]
        await merge(
            self.shop,
            self.members[survivor],
            self.members[merged],
            *(self.members[person] for person in absorbed),
            accounts=[self.accounts[name] for name in coming],
        )
        made = Made(len(self.merges), survivor, merged, coming, absorbed)
        oracle.by_merge[merged] = made.number
        for person in (merged, *absorbed):
            leads_to[person] = survivor
        for name in coming:
            oracle.holder[name] = survivor
        self.merges.append(made)

    async def unmerge(self) -> None:
        """Any merge, in whole or in part, as far as identity allows it. What holds hold goes home later."""
        possible = [made for made in self.merges if self.may_undo(made)]
        if not possible:
            return
        made = self.dice.choice(possible)
        oracle, merged, holder = self.oracle, made.merged, self.oracle.meant(made.survivor)
        absorbed, left = self.still_absorbed(made), self.returnable(made)
        going = self.dice.sample(left, self.dice.randint(1, len(left)))
        whole = len(going) == len(left)
        await unmerge(
            self.shop,
            self.members[holder],
            self.members[merged],
            *(self.members[person] for person in absorbed),
            accounts=[self.accounts[name] for name in going],
            staying=[self.accounts[name] for name in left if name not in going],
            whole=whole,
        )
        oracle.leads_to.pop(merged, None)
        oracle.by_merge.pop(merged, None)
        for name in going:
            oracle.holder[name] = merged
        if whole:
            made.is_undone = True
            for person in absorbed:
                oracle.leads_to[person] = merged

    def may_undo(self, made: Made) -> bool:
        oracle = self.oracle
        if made.is_undone or oracle.by_merge.get(made.merged, made.number) != made.number:
            return False
        holder = oracle.meant(made.survivor)
        return oracle.leads_to.get(made.merged, holder) == holder != made.merged and bool(self.returnable(made))

    def still_absorbed(self, made: Made) -> list[int]:
        """Who came along and is still there: none that left, or came by another way."""
        oracle, holder = self.oracle, self.oracle.meant(made.survivor)
        return [
            person
            for person, by in made.absorbed.items()
            if oracle.leads_to.get(person) == holder and oracle.by_merge.get(person) == by
        ]

    def returnable(self, made: Made) -> list[str]:
        """The accounts that came along, are still there, and belong to nobody who left."""
        oracle, holder = self.oracle, self.oracle.meant(made.survivor)
        gone = made.absorbed.keys() - set(self.still_absorbed(made))
        return [name for name in made.coming if oracle.holder[name] == holder and oracle.home[name] not in gone]

    async def check(self) -> None:
        requests = [pb.GetBalanceRequest(member_id=member.member_id) for member in self.members]
        answer = await self.shop.points.BulkGetBalances(pb.BulkGetBalancesRequest(requests=requests))
        for person, result in enumerate(answer.results):
            assert not result.HasField("error"), result.error
            found = {one.unit: one.available for one in result.response.balances}
            bought = self.oracle.bought_by(person)
            expected = {
                "points": self.oracle.balance(person),
                "earned": sum(one.drawn for one in bought),
                "score": sum(one.score for one in bought),
            }
            assert found == expected, f"person {person}: {found}, not {expected}"


async def live(shop: Shop, seed: int, steps: int, *, holds: bool) -> None:
    dice = random.Random(seed)
    members = [await shop.enrol(routing=dice.randrange(16), number=seed * 100 + number) for number in range(PEOPLE)]
    accounts: dict[str, Member] = {}
    oracle = Oracle()
    for person, member in enumerate(members):
        for name, account in ((f"{person}a", member), (f"{person}b", await shop.second_account(member))):
            accounts[name] = account
            oracle.holder[name] = oracle.home[name] = person
    oracle.now = await shop.now()
    life = Life(shop, dice, members, accounts, oracle, await shop.found(*members[:2]))
    acts: list[Any] = [life.give, life.give, life.spend, life.refund, life.pool, life.let_pass]
    acts += [life.buy, life.buy, life.bring_back, life.merge, life.merge, life.unmerge]
    if holds:
        acts += [life.hold, life.close]
    for _ in range(steps):
        await dice.choice(acts)()
        await life.check()
    assert await shop.findings() == []


async def live_once(seed: int) -> None:
    async with open_shop(*DOCUMENTS) as shop:
        await live(shop, seed, STEPS, holds=seed % 2 == 1)


@pytest.mark.parametrize("seed", [16, 86, 145])
async def test_every_person_has_what_its_accounts_have(seed: int) -> None:
    await live_once(seed)


@pytest.mark.reliability
@pytest.mark.parametrize("seed", range(200))
async def test_every_person_has_what_its_accounts_have_in_many_lives(seed: int) -> None:
    await live_once(seed)
