"""Whatever members come to share, and whatever is decided of them: who is never merged, and who only for a reason."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis import ids
from services.chassis.batches import Batch
from services.chassis.idempotency import Request
from services.chassis.operations import Forwarded, Moment
from services.chassis.verdicts import OK, Verdict
from services.identity.identifiers.commands import AddIdentifier, RemoveIdentifier, VerifyIdentifier
from services.identity.identifiers.keys import IndexKeys
from services.identity.identifiers.values import Identifier, IdentifierType, Strength
from services.identity.keys.values import Wrapped
from services.identity.matches.commands import CarryOutMatch, MergeMatch, SettleMatch
from services.identity.matches.values import Match, MatchPolicy, MatchStatus
from services.identity.merges.commands import Concerned, UnmergeMember
from services.identity.operations import OPERATIONS
from services.identity.state import State
from services.identity.values import Config, Member, Status
from services.identity.vault import NONCE_BYTES, Box

PARTITIONS = 4
AT = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = IndexKeys({1: b"k" * 32}, 1)
MEMBERS = [ids.hashed(bytes([number] * 16), number) for number in range(3)]
NAMES = ("X1", "Y2")
VALUES = {
    "email": ("ann@b.cd", "bob@b.cd"),
    "device": ("dev-1",),
    "address": ("home",),
    "person": NAMES,
}
HASHES = [index.blind_index for code, each in VALUES.items() for one in each for index in KEYS.indexes(code, one)]


def kind(code: str, form: Any, strength: Strength) -> IdentifierType:
    return IdentifierType(code, form, strength, None, None, timedelta(), None, "", True, frozenset())


CONFIG = Config(
    {},
    identifier_types={
        "email": kind("email", "email", Strength.PROOF),
        "device": kind("device", "device", Strength.EVIDENCE),
        "address": kind("address", "address", Strength.HINT),
        "person": kind("person", "real-name", Strength.PROOF),
    },
    match_policies={
        "one-person": MatchPolicy(
            "one-person",
            {
                ("email", Strength.PROOF): 80,
                ("email", Strength.EVIDENCE): 50,
                ("device", Strength.EVIDENCE): 40,
                ("address", Strength.HINT): 30,
            },
            merge_from=80,
            review_from=60,
            link_from=30,
        )
    },
)

DONE = ["add", "add", "add", "verify", "verify", "remove", "carry", "carry", "refuse", "link", "merge", "unmerge"]
operations = st.lists(
    st.tuples(
        st.sampled_from(
            ["add", "add", "verify", "verify", "remove", "carry", "carry", "refuse", "link", "merge", "unmerge"]
        ),
        st.integers(0, len(MEMBERS) - 1),
        st.sampled_from([(code, value) for code, each in VALUES.items() for value in each if code != "person"]),
    ),
    min_size=20,
    max_size=60,
)
names = st.lists(st.sampled_from([None, *NAMES]), min_size=len(MEMBERS), max_size=len(MEMBERS))


class World:
    """All rows in one state, and what is done to them, one command a time."""

    def __init__(self, real_names: Sequence[str | None]) -> None:
        self.state = State(CONFIG)
        people = [
            Member(
                ids.routing_of(one) % PARTITIONS,
                one,
                Status.ACTIVE,
                AT + timedelta(days=number),
                Wrapped(1, b""),
                b"",
            )
            for number, one in enumerate(MEMBERS)
        ]
        self.state.fill(people, [], [])
        self.state.identifiers.fill([], of=MEMBERS)
        self.state.identifiers.fill_holders([], of=HASHES)
        self.number = 0
        for number, name in enumerate(real_names):
            if name is not None:
                self.add(number, "person", name, verified=True)

    def run(self, command: Any) -> Any:
        self.number += 1
        moment = Moment(
            AT + timedelta(minutes=self.number), CONFIG, 1, dict.fromkeys(range(PARTITIONS), 1), PARTITIONS - 1
        )
        outcome = Batch(OPERATIONS, self.state, moment, {}, {}, "identity.tessera").run(command)
        return self.run(outcome.command) if isinstance(outcome, Forwarded) else outcome

    def request(self) -> Request:
        return Request(UUID(int=self.number), b"")

    def meant(self, member_id: UUID) -> Member:
        member = self.state.member(member_id)
        assert member is not None
        return self.meant(member.survivor_id) if member.survivor_id is not None else member

    def keepers(self, member: Member) -> list[UUID]:
        return [one for one in MEMBERS if self.meant(one) == member]

    def held(self, member: Member) -> list[Identifier]:
        return [one for one in self.state.identifiers.of_members(self.keepers(member)) if one.is_held]

    def proofs(self, member: Member) -> set[bytes]:
        return {one.blind_index for one in self.held(member) if one.type == "email" and one.verified_at}

    def real_names(self, member: Member) -> set[bytes]:
        return {one.blind_index for one in self.held(member) if one.type == "person" and one.verified_at}

    def matches(self) -> list[Match]:
        return self.state.matches.between(MEMBERS, MEMBERS)

    def add(self, number: int, code: str, value: str, *, verified: bool = False) -> None:
        member_id = MEMBERS[number]
        self.run(
            AddIdentifier(
                request=self.request(),
                home=ids.routing_of(member_id),
                member_id=member_id,
                identifier_id=self.identifier_id(number, value),
                type=code,
                value=value,
                indexes=KEYS.indexes(code, value),
                nonce=bytes(NONCE_BYTES),
                keys=dict.fromkeys(MEMBERS, Box(bytes(32))),
                verified=verified,
                validate_only=False,
            )
        )

    def identifier_id(self, number: int, value: str) -> UUID:
        return ids.hashed(bytes([number + 1]) + value.encode().ljust(15), ids.routing_of(MEMBERS[number]))

    def of_identifier(self, what: Any, number: int, code: str, value: str) -> None:
        hashes = tuple(index.blind_index for index in KEYS.indexes(code, value))
        member_id = MEMBERS[number]
        self.run(what(self.request(), member_id, member_id, self.identifier_id(number, value), hashes, False))

    def merging(self, match: Match) -> dict[str, Any]:
        ones = sorted((self.meant(one) for one in (match.member_id, match.other_id)), key=lambda one: one.enrolled_at)
        survivor, merged = ones
        return {
            "request": self.request(),
            "sent_id": match.member_id,
            "merge_id": ids.hashed(bytes([self.number % 256] * 16), ids.routing_of(survivor.member_id)),
            "survivor_id": survivor.member_id,
            "merged_id": merged.member_id,
            "concerned": Concerned(survivor.homes | merged.homes, frozenset(self.keepers(merged))),
            "cause": "same-person",
            "caller": "test",
            "validate_only": False,
            "match_id": match.match_id,
        }

    def carry_out(self) -> None:
        """Merge what policies merge; only who shares a proof is, on whom nobody has decided."""
        for match in [one for one in self.matches() if one.status is MatchStatus.MERGING]:
            one, other = (self.meant(each) for each in (match.member_id, match.other_id))
            if one == other:
                continue
            is_proved = bool(self.proofs(one) & self.proofs(other))
            self.run(CarryOutMatch(**self.merging(match), blocker=""))
            if self.meant(match.member_id) == self.meant(match.other_id):
                assert is_proved
                assert match.decided_at is None

    def decide(self, number: int, what: str) -> None:
        """Decide the oldest match of a member."""
        member = self.meant(MEMBERS[number])
        found = sorted(self.state.matches.between(self.keepers(member), MEMBERS), key=lambda match: match.match_id)
        if not found:
            return
        match = found[0]
        if what == "merge":
            if self.meant(match.member_id) != self.meant(match.other_id):
                self.run(MergeMatch(**self.merging(match)))
            return
        status = MatchStatus.REFUSED if what == "refuse" else MatchStatus.LINKED
        sides = (match.member_id, match.other_id)
        self.run(SettleMatch(self.request(), match.match_id, *sides, status, "looked-at", "test", False))

    def unmerge(self, number: int) -> None:
        member = self.state.member(MEMBERS[number])
        merge = None if member is None or member.merge_id is None else self.state.merges.merge(member.merge_id)
        if merge is None or merge.merged_id != MEMBERS[number]:
            return
        holder = self.meant(MEMBERS[number])
        outcome = self.run(
            UnmergeMember(
                request=self.request(),
                unmerge_id=ids.hashed(bytes([self.number % 256] * 16), ids.routing_of(merge.merge_id)),
                merge_id=merge.merge_id,
                survivor_id=merge.survivor_id,
                holder_id=holder.member_id,
                member_id=merge.merged_id,
                account_ids=frozenset(),
                left=frozenset(),
                concerned=Concerned(holder.homes, frozenset(one.member_id for one in merge.absorbed)),
                cause="mistake",
                caller="test",
                validate_only=False,
            )
        )
        assert isinstance(outcome, Verdict)
        assert outcome.code == OK


def lived(real_names: Sequence[str | None], drawn: Sequence[tuple[str, int, tuple[str, str]]]) -> World:
    """A life, checked after each step. Nobody adds a real name later: a person may, and a merge alone is the matter."""
    world = World(real_names)
    for what, number, (code, value) in drawn:
        match what:
            case "add":
                world.add(number, code, value)
            case "verify":
                world.of_identifier(VerifyIdentifier, number, code, value)
            case "remove":
                world.of_identifier(RemoveIdentifier, number, code, value)
            case "carry":
                world.carry_out()
            case "refuse" | "link" | "merge":
                world.decide(number, what)
            case "unmerge":
                world.unmerge(number)
        check(world)
    return world


def check(world: World) -> None:
    for member_id in MEMBERS:
        assert len(world.real_names(world.meant(member_id))) <= 1
    for match in world.matches():
        is_one = world.meant(match.member_id) == world.meant(match.other_id)
        if match.status is MatchStatus.MERGED:
            assert is_one
            assert match.merge_id is not None
        if match.status in (MatchStatus.LINKED, MatchStatus.OPEN, MatchStatus.MERGING):
            assert not is_one


def test_such_lives_have_merges_links_reviews_and_unmerges_in_them() -> None:
    """What is checked of all lives is not checked of nothing."""
    ann, device, home = ("email", "ann@b.cd"), ("device", "dev-1"), ("address", "home")
    proved = [(what, number, ann) for number in range(2) for what in ("add", "verify")]
    world = lived([None, "X1", None], [*proved, ("carry", 0, ann), ("add", 2, home), ("add", 0, home)])
    assert world.meant(MEMBERS[1]).member_id == MEMBERS[0]
    assert {match.status for match in world.matches()} == {MatchStatus.MERGED, MatchStatus.LINKED}
    world = lived([None] * 3, [*proved, ("carry", 0, ann), ("unmerge", 1, ann), ("carry", 0, ann)])
    assert [match.status for match in world.matches()] == [MatchStatus.REFUSED]
    world = lived(["X1", "Y2", None], [*proved, ("carry", 0, ann), ("merge", 0, ann)])
    assert [(match.status, match.reason) for match in world.matches()] == [(MatchStatus.OPEN, "REAL_NAMES_DIFFER")]
    seen = [("add", number, one) for number in (1, 2) for one in (device, ann)]
    world = lived([None] * 3, [*seen, ("carry", 0, ann)])
    assert [(match.status, match.score) for match in world.matches()] == [(MatchStatus.OPEN, 90)]
    world = lived([None] * 3, [*proved, ("remove", 0, ann), ("carry", 0, ann)])
    assert [match.status for match in world.matches()] == [MatchStatus.LAPSED]
    world = lived([None] * 3, [*seen, ("merge", 2, ann)])
    assert world.meant(MEMBERS[2]).member_id == MEMBERS[1]


@settings(deadline=None, max_examples=300)
@given(names, operations)
def test_nobody_is_merged_without_a_reason(
    real_names: list[str | None], drawn: list[tuple[str, int, tuple[str, str]]]
) -> None:
    lived(real_names, drawn)


@settings(deadline=None)
@given(names, operations)
def test_both_halves_of_a_match_say_the_same(
    real_names: list[str | None], drawn: list[tuple[str, int, tuple[str, str]]]
) -> None:
    world = lived(real_names, drawn)
    halves: dict[UUID, list[tuple[Any, ...]]] = {}
    for partition in range(PARTITIONS):
        for owner_id, *row in world.state.rows(partition).get("matches", ()):
            assert ids.routing_of(owner_id) % PARTITIONS == partition
            halves.setdefault(row[0], []).append((owner_id, *row))
    assert all(len(both) == 2 and both[0][1:] == both[1][1:] for both in halves.values())
    assert {frozenset((one[0], other[0])) for one, other in halves.values()} == {
        frozenset((match.member_id, match.other_id)) for match in world.matches()
    }
