"""Any sequence of operations comes to what the model says, however it is split into batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis import ids
from services.chassis.batches import Batch
from services.chassis.idempotency import Request
from services.chassis.operations import Moment
from services.chassis.verdicts import OK
from services.identity.commands import (
    ChangeStatus,
    Enrolment,
    IdentityCommand,
    LinkAccount,
    ResolveAccount,
    UnlinkAccount,
)
from services.identity.keys.values import Wrapped
from services.identity.operations import OPERATIONS
from services.identity.rules import StatusChange
from services.identity.state import State
from services.identity.values import Account, Config, Domain, Member, Route, RouteKey, Status, route_key
from services.identity.vault import Box, Vault
from tessera.errors import error_of_status
from tests.identity.model import LIMITS, Model

PARTITIONS = 8
VAULT = Vault(bytes(32))
BOX = Box(bytes(32))
CONFIG = Config({code: Domain(code, limit) for code, limit in LIMITS.items()})
NONCE = bytes(12)
NAMES = [("grocery", "ann"), ("grocery", "bob"), ("grocery", "cy"), ("travel", "ann"), ("nowhere", "ann")]
PEOPLE = range(2)
# Closing is for good and suspending stops everything else, so they are rare.
KINDS = ["resolve"] * 4 + ["link"] * 6 + ["unlink"] * 6 + ["reinstate"] * 3 + ["suspend", "close"]


@dataclass(frozen=True)
class Operation:
    """What is done, to whom, and with which name; `number` makes its IDs."""

    kind: str
    person: int
    name: tuple[str, str]
    number: int


operations = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(PEOPLE),
        st.sampled_from(NAMES),
    ),
    min_size=10,
    max_size=50,
).map(lambda drawn: [Operation(*what, number) for number, what in enumerate(drawn)])


@dataclass
class World:
    """Identity's tables, in memory, and what was answered and told."""

    rows: dict[tuple[str, int, Any], tuple[Any, ...]] = field(default_factory=dict)
    kept: dict[UUID, Any] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)
    told: dict[int, list[bytes]] = field(default_factory=dict)

    def write(self, commands: Sequence[IdentityCommand]) -> None:
        """One batch."""
        state = State(CONFIG)
        state.fill(self.members(), self.accounts(), self.routes())
        moment = Moment(
            datetime(2026, 1, 1, tzinfo=UTC), CONFIG, 1, dict.fromkeys(range(PARTITIONS), 1), PARTITIONS - 1
        )
        batch = Batch(OPERATIONS, state, moment, self.kept, {}, "identity.tessera")
        self.answers += [batch.run(command) for command in commands]
        for partition in range(PARTITIONS):
            for table, rows in batch.rows(partition).items():
                self.rows |= {(table, partition, row[0]): tuple(row) for row in rows}
            self.told.setdefault(partition, []).extend(state.events(partition))

    def members(self) -> list[Member]:
        """All members."""
        return [
            Member(
                partition, row[0], Status(row[1]), row[2], Wrapped(*row[3:5]), *row[5:-1], frozenset(ids.split(row[-1]))
            )
            for (table, partition, _), row in self.rows.items()
            if table == "members"
        ]

    def accounts(self) -> list[Account]:
        """All accounts that are linked."""
        found = [Account(partition, *row) for (table, partition, _), row in self.rows.items() if table == "accounts"]
        return [account for account in found if account.unlinked_at is None]

    def routes(self) -> list[Route]:
        """All routes."""
        return [
            Route(partition, *row[:3], Status(row[3]), row[4])
            for (table, partition, _), row in self.rows.items()
            if table == "routes"
        ]

    def owners(self) -> dict[bytes, tuple[UUID | None, UUID | None, str]]:
        """Where every name leads, by the routes."""
        return {
            route.blind_index: (route.member_id, route.account_id, route.status.name)
            for route in self.routes()
            if route.is_linked
        }


def key_of(name: tuple[str, str]) -> RouteKey:
    return route_key(VAULT.blind_index(*name), PARTITIONS)


def member_of(person: int) -> UUID:
    """Each person enrols with one name of its own, whose bits the member takes."""
    return ids.hashed(bytes([person] * 16), key_of(NAMES[person]).routing)


def account_of(operation: Operation) -> UUID:
    return ids.hashed(bytes([operation.number + 64] * 16), ids.routing_of(member_of(operation.person)))


def command_of(operation: Operation, world: World) -> IdentityCommand:
    """The command that the servicer would make, which has read the tables as they are."""
    request = Request(ids.hashed(bytes([operation.number] * 16), 0), b"")
    member_id, account_id = member_of(operation.person), account_of(operation)
    match operation.kind:
        case "resolve":
            enrolment = Enrolment(member_id, account_id, Wrapped(1, b""), b"", b"", False, 1)
            name = NAMES[operation.person]
            return ResolveAccount(request, key_of(name), name[0], enrolment, False)
        case "link":
            domain, text = operation.name
            home = ids.routing_of(member_id)
            return LinkAccount(
                request,
                home,
                member_id,
                account_id,
                key_of(operation.name),
                domain,
                text,
                NONCE,
                {member_id: BOX},
                False,
                False,
            )
        case "unlink":
            account = oldest_account(world, member_id)
            return UnlinkAccount(
                request, member_id, account.account_id, route_key(account.blind_index, PARTITIONS), False
            )
        case kind:
            routes = tuple(key_of(name) for name in NAMES)
            home = ids.routing_of(member_id)
            return ChangeStatus(request, home, member_id, frozenset(), StatusChange(kind), "", routes, False)


def oldest_account(world: World, member_id: UUID) -> Account:
    """The first account that a member ever had, linked or not; one of nobody for a member never seen."""
    rows = [row for (table, _, _), row in world.rows.items() if table == "accounts" and row[1] == member_id]
    if rows:
        return Account(0, *rows[0])
    nobody = ids.hashed(bytes(16), ids.routing_of(member_id))
    return Account(0, nobody, member_id, "grocery", bytes(16), b"", False, datetime.min, None, member_id)


def expected(model: Model, operation: Operation, command: IdentityCommand) -> str:
    member, account = str(member_of(operation.person)), str(account_of(operation))
    match command:
        case ResolveAccount():
            return model.resolve(*NAMES[operation.person], member, account)
        case LinkAccount():
            return model.link(member, *operation.name, account)
        case UnlinkAccount():
            return model.unlink(member, str(command.account_id))
        case ChangeStatus():
            return model.change_status(member, operation.kind)


def answer_of(verdict: Any) -> str:
    return "ok" if verdict.code == OK else error_of_status(verdict.status()).reason


@settings(deadline=None)
@given(operations)
def test_answers_and_routes_are_those_of_the_model(sequence: list[Operation]) -> None:
    world, model = World(), Model()
    for operation in sequence:
        command = command_of(operation, world)
        if isinstance(command, ResolveAccount) and member_of(operation.person) in {
            m.member_id for m in world.members()
        }:
            continue  # the service makes a new ID for every enrolment; here a person has one
        world.write([command])
        assert answer_of(world.answers[-1]) == expected(model, operation, command)
    wanted = {
        VAULT.blind_index(*name): (UUID(member), UUID(account), status)
        for name, (member, account, status) in model.owners().items()
    }
    assert world.owners() == wanted


@settings(deadline=None)
@given(operations, st.lists(st.integers(1, 8), max_size=20))
def test_any_split_into_batches_is_the_same_as_one_by_one(sequence: list[Operation], sizes: list[int]) -> None:
    one_by_one = World()
    commands = []
    for operation in sequence:
        commands.append(command_of(operation, one_by_one))
        one_by_one.write(commands[-1:])
    split = World()
    while commands:
        size = sizes.pop() if sizes else len(commands)
        split.write(commands[:size])
        commands = commands[size:]
    assert split == one_by_one


def test_what_one_command_of_a_batch_does_the_next_one_finds() -> None:
    enrolled, together = World(), World()
    first = [Operation("resolve", 0, NAMES[0], 1), Operation("link", 0, NAMES[3], 2)]
    for world in (enrolled, together):
        world.write([command_of(operation, world) for operation in first])
    unlinks = [command_of(Operation("unlink", 0, NAMES[0], number), enrolled) for number in (3, 4)]
    again = command_of(Operation("link", 0, NAMES[1], 5), enrolled)
    together.write([*unlinks, again])
    assert [answer_of(verdict) for verdict in together.answers[2:]] == ["ok", "ACCOUNT_UNKNOWN", "ok"]
