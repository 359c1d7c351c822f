"""Whatever is used, taken back, issued, merged and unmerged: everybody has what is theirs, and nothing is lost."""

import random
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest

from services.chassis import ids
from tests.benefits.builders import NOON, Benefits, coupon, enrolled, quota, raw, start_benefits
from tests.support.lives import Lives

MEMBERS = 4
STEPS = 60
USES = 1_000


class World:
    """What was used and issued, through which source, beside a service that is told the same."""

    def __init__(self, seed: int, benefits: Benefits, members: Sequence[UUID]) -> None:
        self.benefits = benefits
        self.chance = random.Random(seed)
        self.lives = Lives(self.chance, members, domain="cafe")
        self.used: Counter[UUID] = Counter()
        self.coupons: Counter[UUID] = Counter()
        self.redemptions: list[tuple[str, UUID]] = []

    async def step(self) -> None:
        """Something happens."""
        chance = self.chance.random()
        if chance < 0.25:
            halves = self.lives.merge(NOON) if chance < 0.13 else self.lives.unmerge(NOON)
            if halves is not None:
                await self.benefits.rearrange(halves)
        elif chance < 0.45:
            await self.issue()
        elif chance < 0.6:
            await self.reverse()
        else:
            await self.redeem()

    async def issue(self) -> None:
        member_id, _ = self.lives.someone()
        self.coupons[self.lives.source_of(member_id, None)] += 1
        await self.benefits.issue(ids.encode("member", member_id), reference=f"r{len(self.lives.origin)}")

    async def redeem(self) -> None:
        member_id = self.chance.choice(self.lives.members)
        account_id = self.chance.choice([None, *self.lives.accounts_of(self.lives.leads_to[member_id])])
        source = self.lives.source_of(member_id, account_id)
        self.used[source] += 1
        fields = {} if account_id is None else {"account_id": ids.encode("account", account_id)}
        made = await self.benefits.redeem(ids.encode("member", member_id), "delivery", **fields)
        self.redemptions.append((made.redemption_id, source))

    async def reverse(self) -> None:
        """A use is taken back; where it came through no account, from whom it came to or who that leads to."""
        known = [one for one in self.redemptions if self._is_with_its_origin(one[1])]
        if known:
            redemption_id, source = self.chance.choice(known)
            self.redemptions.remove((redemption_id, source))
            self.used[source] -= 1
            await self.benefits.reverse(redemption_id)

    def _is_with_its_origin(self, source: UUID) -> bool:
        origin = self.lives.origin.get(source)
        return origin is None or self.lives.leads_to[origin] == self.lives.holder[source]

    def expected(self, of: Counter[UUID], member_id: UUID) -> int:
        """How much of something an ID has."""
        meant = self.lives.leads_to[member_id]
        return sum(of[source] for source, by in self.lives.holder.items() if by == meant)

    async def check(self) -> None:
        """Everybody has what is theirs, by whichever ID."""
        for member_id in self.lives.members:
            member = ids.encode("member", member_id)
            answer = await self.benefits.check(member, "delivery")
            assert USES - answer.uses_left == self.expected(self.used, member_id)
            assert len(await self.benefits.entitlements(member, page_size=100)) == self.expected(
                self.coupons, member_id
            )


@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.reliability) for seed in range(2, 10))]
)
async def test_everybody_has_what_is_theirs(seed: int) -> None:
    async with start_benefits(coupon(), quota(uses=USES, period="once")) as benefits:
        chance = random.Random(seed)
        members = [
            ids.from_int((chance.getrandbits(64) << 64) + (chance.getrandbits(40) << 16) + number % 3)
            for number in range(MEMBERS)
        ]
        for member_id in members:
            await benefits.tell("identity", [(member_id, enrolled(ids.encode("member", member_id), NOON))])
        world = World(seed, benefits, members)
        for member_id in members:
            for account_id in world.lives.accounts[member_id]:
                await benefits.link(ids.encode("member", member_id), "cafe", account_id)
        for _ in range(STEPS):
            await world.step()
            await world.check()
        assert len({raw(redemption_id) for redemption_id, _ in world.redemptions}) == len(world.redemptions)
        assert sum(world.used.values()) == len(world.redemptions)
