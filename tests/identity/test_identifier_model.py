"""Whatever is done with identifiers, in whatever batches: the same rows, and what must always be true of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis import ids
from services.chassis.batches import Batch
from services.chassis.idempotency import Request
from services.chassis.operations import Moment
from services.identity.identifiers.commands import AddIdentifier, OfIdentifier, RemoveIdentifier, VerifyIdentifier
from services.identity.identifiers.keys import IndexKeys
from services.identity.identifiers.values import Holder, Identifier, IdentifierType, Strength
from services.identity.keys.values import Wrapped
from services.identity.matches.queries import match_of
from services.identity.matches.values import Match
from services.identity.operations import OPERATIONS
from services.identity.state import State
from services.identity.values import Config, Member, Status
from services.identity.vault import NONCE_BYTES, Box

PARTITIONS = 4
LIMIT = 2
AT = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = IndexKeys({1: b"k" * 32}, 1)
KIND = IdentifierType(
    "email", "email", Strength.PROOF, LIMIT, None, timedelta(), None, "", True, frozenset({"blocked@b.cd"})
)
CONFIG = Config({}, identifier_types={"email": KIND})
VALUES = ("ann@b.cd", "bob@b.cd", "cas@b.cd", "blocked@b.cd")
HASHES = [index.blind_index for value in VALUES for index in KEYS.indexes("email", value)]
MEMBERS = [ids.hashed(bytes([number] * 16), number) for number in range(3)]
PEOPLE = [Member(ids.routing_of(one) % PARTITIONS, one, Status.ACTIVE, AT, Wrapped(1, b""), b"") for one in MEMBERS]

operations = st.lists(
    st.tuples(
        st.sampled_from(["add", "add-verified", "verify", "remove"]),
        st.integers(0, len(MEMBERS) - 1),
        st.sampled_from(VALUES),
    ),
    max_size=40,
)


@dataclass
class World:
    """Tables in memory, and what was answered."""

    rows: dict[tuple[str, int, tuple[Any, ...]], tuple[Any, ...]] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)

    def write(self, commands: Sequence[AddIdentifier | OfIdentifier]) -> None:
        """One batch that has all partitions."""
        state = State(CONFIG)
        state.fill(PEOPLE, [], [])
        state.identifiers.fill(self.identifiers(), of=MEMBERS)
        state.identifiers.fill_holders((one for one in self.holders() if one.is_held), of=HASHES)
        state.matches.fill(self.matches())
        moment = Moment(AT, CONFIG, 1, dict.fromkeys(range(PARTITIONS), 1), PARTITIONS - 1)
        batch = Batch(OPERATIONS, state, moment, {}, {}, "identity.tessera")
        self.answers += [batch.run(command) for command in commands]
        for partition in range(PARTITIONS):
            for table, rows in state.rows(partition).items():
                keys = 1 if table == "identifiers" else 2
                self.rows |= {(table, partition, row[:keys]): tuple(row) for row in rows}

    def of(self, wanted: str) -> Iterable[tuple[int, tuple[Any, ...]]]:
        return [(partition, row) for (table, partition, _), row in self.rows.items() if table == wanted]

    def identifiers(self) -> list[Identifier]:
        return [Identifier(partition, *row) for partition, row in self.of("identifiers")]

    def holders(self) -> list[Holder]:
        return [Holder(partition, *row) for partition, row in self.of("identifier_holders")]

    def matches(self) -> list[Match]:
        return [match_of(row[1:]) for _, row in self.of("matches")]


def identifier_of(member: int, value: str) -> UUID:
    return ids.hashed(bytes([member + 1]) + value.encode().ljust(15), ids.routing_of(MEMBERS[member]))


def command_of(number: int, operation: tuple[str, int, str]) -> AddIdentifier | OfIdentifier:
    what, member, value = operation
    request = Request(UUID(int=number), bytes([number]))
    indexes, member_id = KEYS.indexes("email", value), MEMBERS[member]
    if what.startswith("add"):
        return AddIdentifier(
            request=request,
            home=ids.routing_of(member_id),
            member_id=member_id,
            identifier_id=identifier_of(member, value),
            type="email",
            value=value,
            indexes=indexes,
            nonce=bytes(NONCE_BYTES),
            keys=dict.fromkeys(MEMBERS, Box(bytes(32))),
            verified=what == "add-verified",
            validate_only=False,
        )
    kind = VerifyIdentifier if what == "verify" else RemoveIdentifier
    hashes = tuple(index.blind_index for index in indexes)
    return kind(request, member_id, member_id, identifier_of(member, value), hashes, False)


def lived(drawn: Sequence[tuple[str, int, str]], sizes: Iterable[int]) -> World:
    world, commands = World(), [command_of(number, operation) for number, operation in enumerate(drawn)]
    for size in (*sizes, len(commands)):
        batch, commands = commands[:size], commands[size:]
        world.write(batch)
    return world


@settings(deadline=None)
@given(operations, st.lists(st.integers(1, 5), max_size=40))
def test_any_split_into_batches_is_the_same_as_one_by_one(drawn: list[tuple[str, int, str]], sizes: list[int]) -> None:
    split, alone = lived(drawn, sizes), lived(drawn, [1] * len(drawn))
    assert split.rows == alone.rows
    assert split.answers == alone.answers


@settings(deadline=None)
@given(operations)
def test_what_must_be_true_of_identifiers_is(drawn: list[tuple[str, int, str]]) -> None:
    world = lived(drawn, [])
    identifiers = {one.identifier_id: one for one in world.identifiers()}
    assert {one.identifier_id for one in world.holders()} == identifiers.keys()
    for holder in world.holders():
        one = identifiers[holder.identifier_id]
        assert holder[1:] == (
            one.blind_index, one.identifier_id, one.member_id, one.type, one.is_demoted, one.verified_at, one.removed_at
        )  # fmt: skip
    for member_id in MEMBERS:
        strong = [one for one in identifiers.values() if one.member_id == member_id and not one.is_demoted]
        assert len(strong) <= LIMIT
    verified = {
        frozenset({one.identifier_id, other.identifier_id})
        for one in identifiers.values()
        for other in identifiers.values()
        if one.blind_index == other.blind_index
        and one != other
        and all(each.is_held and each.verified_at and not each.is_demoted for each in (one, other))
    }
    assert verified <= {one.known_by[0] for match in world.matches() for one in match.evidence}
    assert all(bool(one.value) == one.is_held for one in identifiers.values())
