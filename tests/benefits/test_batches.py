"""Any split of commands into batches gives the same verdicts, rows and events; and a tiny model gives them, too."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

from services.benefits import naming
from services.benefits.commands import IssueEntitlement, Redeem, ReverseRedemption
from services.benefits.events import parse_tiers_event
from services.chassis import ids
from services.chassis.access import ALL, Caller
from services.chassis.feed_batch import FeedBatch, FollowedRecord
from services.chassis.idempotency import Request
from services.chassis.verdicts import Verdict
from tessera.benefits.v1 import benefits_service_pb2 as pb
from tessera.errors import error_of_status
from tests.benefits.builders import (
    LEVELS,
    NOON,
    Benefits,
    coupon,
    enrolled,
    quota,
    redemption,
    standing,
    start_benefits,
)

SEQUENCES = 20
COMMANDS = 40
CALLER = Caller("test", frozenset(), ALL)
DOCUMENTS = [
    coupon("single", validity={"days": 3}),
    coupon("double", uses=2, eligibility="rank.shopper >= 1"),
    coupon("gift", issue=[{"when": "level-up", "ladder": "shopper"}], uses="unlimited"),
    quota("daily", uses=3, period="day", eligibility="rank.shopper >= 1"),
]
Step = tuple[Any, ...]


def steps(seed: int) -> list[Step]:
    """What happens to one member: kind, benefit or level, and a number that names a request or a reference."""
    choose = random.Random(seed)
    made: list[Step] = []
    for number in range(COMMANDS):
        kind = choose.choice(["issue", "redeem", "redeem", "redeem", "reverse", "stand", "retry"])
        if kind == "issue":
            made.append(("issue", choose.choice(["single", "double", "daily"]), number, choose.randrange(4)))
        elif kind == "redeem":
            made.append(("redeem", choose.choice(["single", "double", "gift", "daily"]), number))
        elif kind == "reverse":
            made.append(("reverse", choose.randrange(COMMANDS), number))
        elif kind == "stand":
            made.append(("stand", choose.randrange(3), number))
        elif made:
            made.append(choose.choice([step for step in made if step[0] != "stand"] or [("issue", "single", 0, 0)]))
    return made


class Translator:
    """Makes commands for one member of steps."""

    def __init__(self, member_id: UUID, position: int) -> None:
        self.member_id = member_id
        self._position = position

    def command(self, step: Step) -> Any:
        """The command of a step."""
        match step:
            case ("issue", benefit, number, reference):
                entitlement_id = naming.entitlement_id(self.member_id, benefit, "list", str(reference))
                request = self._request("issue", number, step)
                return IssueEntitlement(request, entitlement_id, self.member_id, benefit, str(reference), False)
            case ("redeem", benefit, number):
                request = self._request("redeem", number, step)
                redemption_id = naming.redemption_id(request.key, self.member_id)
                return Redeem(request, redemption_id, self.member_id, benefit, "cafe", None, None, "", False)
            case ("reverse", redeemed, number):
                key = self._request("redeem", redeemed, step).key
                redemption_id = naming.redemption_id(key, self.member_id)
                return ReverseRedemption(self._request("reverse", number, step), redemption_id, CALLER, False)
            case ("stand", rank, number):
                return self._standing(LEVELS[rank], NOON - timedelta(hours=COMMANDS - number))
            case _:
                raise AssertionError(step)

    def _standing(self, level: str, at: datetime) -> FeedBatch:
        event = standing(ids.encode("member", self.member_id), level, at)
        self._position += 1
        record = FollowedRecord(self._position, [parse_tiers_event(event)])
        return FeedBatch("tiers", ids.routing_of(self.member_id) & 7, [record])

    def _request(self, method: str, number: int, step: Step) -> Request:
        digest = blake2b(self.member_id.bytes + f"{method} {number}".encode(), digest_size=16).digest()
        return Request(ids.from_bytes(digest), repr(step).encode())


def split(commands: list[Any], choose: random.Random) -> Iterator[list[Any]]:
    """Consecutive runs of random length."""
    start = 0
    while start < len(commands):
        length = choose.randint(1, 12)
        yield commands[start : start + length]
        start += length


async def run(benefits: Benefits, runs: Iterable[list[Any]]) -> list[Verdict]:
    """Hand runs of commands to the lanes, each as one batch."""
    verdicts: list[Verdict] = []
    for commands in runs:
        for outcome in await benefits.platform.lanes.submit(commands):
            assert isinstance(outcome, Verdict), outcome
            verdicts.append(outcome)
    return verdicts


def told(step: Step, verdict: Verdict) -> tuple[Any, ...]:
    """What a verdict says, without what differs between members and batches."""
    if verdict.code:
        return (step[0], error_of_status(verdict.status()).reason)
    match step[0]:
        case "redeem":
            redeemed = pb.RedeemResponse.FromString(verdict.payload)
            return ("redeem", redeemed.uses_left if redeemed.HasField("uses_left") else None)
        case "issue":
            return ("issue", pb.IssueEntitlementResponse.FromString(verdict.payload).entitlement.uses_left)
        case kind:
            return (kind, "done")


async def rows(benefits: Benefits, member_id: UUID) -> list[Any]:
    """Everything that is stored of a member, positions apart."""
    statements = [
        "SELECT standing, upcoming FROM members WHERE member_id = $1",
        "SELECT ladder, effective_from, ends_at, level, rank, highest_rank FROM standings WHERE member_id = $1",
        "SELECT * FROM entitlements WHERE member_id = $1 ORDER BY entitlement_id",
        "SELECT benefit, period_start, used FROM quota_uses WHERE member_id = $1",
        "SELECT redemption_id, benefit, entitlement_id, period_start, uses_left, reversed_at FROM redemptions "
        "WHERE member_id = $1 ORDER BY redemption_id",
    ]
    return [[tuple(row) for row in await benefits.platform.pool.fetch(text, member_id)] for text in statements]


@dataclass
class Model:
    """What should happen, in the plainest words there are."""

    rank: int = 0
    rights: dict[tuple[str, Any], int | None] = field(default_factory=dict)
    used: int = 0
    answers: dict[tuple[str, int], tuple[Step, tuple[Any, ...]]] = field(default_factory=dict)
    redeemed: dict[int, tuple[str, Any]] = field(default_factory=dict)
    reversed: set[int] = field(default_factory=set)

    def tell(self, step: Step) -> tuple[Any, ...]:
        """The verdict on a step; the same request gets its first answer again."""
        if step[0] == "stand":
            if step[1] > self.rank:
                self.rights["gift", step[2]] = None
            self.rank = step[1]
            return ("stand", "done")
        key = (step[0], step[2])
        if key not in self.answers:
            self.answers[key] = (step, getattr(self, step[0])(step))
        return self.answers[key][1]

    def issue(self, step: Step) -> tuple[Any, ...]:
        _, benefit, _, reference = step
        if benefit == "daily":
            return ("issue", "NOT_ISSUED_TO_LISTS")
        if (benefit, reference) in self.rights:
            return ("issue", "ALREADY_ISSUED")
        if benefit == "double" and self.rank < 1:
            return ("issue", "NOT_ELIGIBLE")
        self.rights[benefit, reference] = 1 if benefit == "single" else 2
        return ("issue", self.rights[benefit, reference])

    def redeem(self, step: Step) -> tuple[Any, ...]:
        _, benefit, number = step
        if benefit in ("double", "daily") and self.rank < 1:
            return ("redeem", "NOT_ELIGIBLE")
        if benefit == "daily":
            if self.used == 3:
                return ("redeem", "QUOTA_EXHAUSTED")
            self.used += 1
            self.redeemed[number] = ("daily", None)
            return ("redeem", 3 - self.used)
        mine = {key: left for key, left in self.rights.items() if key[0] == benefit and left != 0}
        if not mine:
            return ("redeem", "NOT_ENTITLED")
        self.redeemed[number] = (benefit, len(self.redeemed))
        if benefit == "gift":
            return ("redeem", None)
        left = sum(left for left in mine.values() if left is not None)
        self.take(benefit)
        return ("redeem", left - 1)

    def take(self, benefit: str) -> None:
        """Which right is used does not matter here: only how many uses there are in all."""
        key = next(key for key, left in self.rights.items() if key[0] == benefit and left)
        self.rights[key] = (self.rights[key] or 0) - 1

    def reverse(self, step: Step) -> tuple[Any, ...]:
        _, number, _ = step
        if number not in self.redeemed:
            return ("reverse", "REDEMPTION_UNKNOWN")
        if number in self.reversed:
            return ("reverse", "REDEMPTION_ALREADY_REVERSED")
        self.reversed.add(number)
        benefit, _ = self.redeemed[number]
        if benefit == "daily":
            self.used -= 1
        elif benefit != "gift":
            key = next(key for key in self.rights if key[0] == benefit)
            self.rights[key] = (self.rights[key] or 0) + 1
        return ("reverse", "done")


async def test_any_split_into_batches_is_one_by_one_and_as_the_model_says() -> None:
    async with start_benefits(*DOCUMENTS) as one_by_one, start_benefits(*DOCUMENTS) as in_batches:
        members = [ids.new_id(seed) for seed in range(SEQUENCES)]
        for benefits in (one_by_one, in_batches):
            await benefits.tell("identity", [(m, enrolled(ids.encode("member", m), NOON)) for m in members])
        stood = dict.fromkeys(range(8), 0)
        for seed, member in enumerate(members):
            sequence = steps(seed)
            translator = Translator(member, stood[seed % 8])
            commands = [translator.command(step) for step in sequence]
            stood[seed % 8] += sum(step[0] == "stand" for step in sequence)
            first = await run(one_by_one, ([command] for command in commands))
            second = await run(in_batches, split(commands, random.Random(seed)))
            answers = [told(step, verdict) for step, verdict in zip(sequence, first, strict=True)]
            assert answers == [told(step, verdict) for step, verdict in zip(sequence, second, strict=True)], seed
            assert await rows(one_by_one, member) == await rows(in_batches, member), seed
            model = Model()
            assert answers == [model.tell(step) for step in sequence], seed
            await a_check_says_what_redeeming_would_do(one_by_one, ids.encode("member", member))
        assert by_member(await one_by_one.told()) == by_member(await in_batches.told())
        for benefits in (one_by_one, in_batches):
            await counts_are_the_rows(benefits)


async def a_check_says_what_redeeming_would_do(benefits: Benefits, member: str) -> None:
    """Yes by the same entitlement with as much left, or no for the same reason."""
    for document in DOCUMENTS:
        checked = await benefits.check(member, document["code"])
        bulk = pb.BulkRedeemRequest(requests=[redemption(member, document["code"], validate_only=True)])
        (dry,) = (await benefits.stub.BulkRedeem(bulk)).results
        if checked.allowed:
            left = dry.response.uses_left + 1 if dry.response.HasField("uses_left") else 0
            assert (checked.entitlement_id, checked.uses_left) == (dry.response.entitlement_id, left)
        else:
            assert checked.reason == error_of_status(dry.error).reason


def by_member(events: list[tuple[str, Any]]) -> dict[bytes, list[Any]]:
    """What is told of each member, in order."""
    found: dict[bytes, list[Any]] = {}
    for _, event in events:
        found.setdefault(event.member_id, []).append(event)
    return found


async def counts_are_the_rows(benefits: Benefits) -> None:
    """The counts that are kept are those that counting finds."""
    issued = await benefits.platform.pool.fetch("SELECT benefit, count(*) FROM entitlements GROUP BY 1")
    made = await benefits.platform.pool.fetch(
        "SELECT benefit, count(*), count(reversed_at) FROM redemptions GROUP BY benefit"
    )
    kept = await benefits.summary()
    assert {name: counts["issued"] for name, counts in kept.items() if "issued" in counts} == dict(issued)
    assert {
        name: (counts["redeemed"], counts.get("reversed", 0)) for name, counts in kept.items() if "redeemed" in counts
    } == {name: (redeemed, taken_back) for name, redeemed, taken_back in made}
