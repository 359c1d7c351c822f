"""Any sequence of operations on groups comes to what the model says, however it is split into batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis import ids
from services.chassis.batches import Batch
from services.chassis.clock import from_microseconds
from services.chassis.idempotency import Request
from services.chassis.operations import Moment
from services.chassis.partitions import partition_of
from services.chassis.verdicts import OK
from services.identity.commands import ChangeStatus
from services.identity.groups import commands as groups
from services.identity.groups.rules import status_at
from services.identity.groups.values import (
    OWNER,
    Group,
    GroupKind,
    GroupStatus,
    Invitation,
    InvitationStatus,
    Left,
    Role,
    Seat,
)
from services.identity.keys.values import Wrapped
from services.identity.operations import OPERATIONS
from services.identity.rules import StatusChange
from services.identity.state import State
from services.identity.values import Config, Member, Status
from services.identity.vault import Vault
from tessera.errors import error_of_status
from tessera.identity.v1 import event_pb2
from tests.identity.group_model import COOL_DOWN_DAYS, GROUPS_PER_MEMBER, INVITATION_DAYS, RIGHTS, SEATS, GroupModel

PARTITIONS = 8
START = datetime(2026, 1, 1, tzinfo=UTC)
VAULT = Vault(bytes(32))
KIND = GroupKind(
    code="household",
    zone=ZoneInfo("UTC"),
    roles={
        OWNER: Role(OWNER, 1, 1, frozenset()),
        **{
            code: Role(code, *SEATS[code], frozenset(RIGHTS[code]))  # type: ignore[arg-type]  # plain strings
            for code in SEATS
        },
    },
    groups_per_member=GROUPS_PER_MEMBER,
    invitation_days=INVITATION_DAYS,
    cool_down_days=COOL_DOWN_DAYS,
    same_attribute="",
    same_identifier="",
    shares=("points",),
    sub_accounts=False,
)
CONFIG = Config({}, {"household": KIND})
MEMBERS = [ids.from_int(number << 16 | number % 5) for number in range(1, 6)]
"""In five partitions; the last is nobody's."""
ENROLLED = MEMBERS[:4]
GROUPS = [ids.from_int(1 << 64 | number << 16 | ids.routing_of(MEMBERS[number])) for number in range(3)]
"""Each with its founder's bits."""

KINDS = ["create"] * 3 + ["invite"] * 6 + ["accept"] * 6 + ["decline", "cancel", "leave", "leave", "remove", "remove"]
KINDS += ["change_role", "transfer", "transfer", "dissolve", "suspend", "reinstate", "reinstate", "expire"]


@dataclass(frozen=True)
class Operation:
    """What is done, to which group, by whom, to whom; `number` makes its IDs, `day` is when."""

    kind: str
    group: int
    acting: int | str | None
    """A member, the owner of the group, or an operator."""
    member: int
    role: str
    invitation: int
    """How far back in the invitations that were made."""
    number: int
    day: int


operations = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from([0, 0, 0, 1, 2]),
        st.sampled_from(["owner", "owner", "owner", "owner", None, 1, 2, 3, 4]),
        st.sampled_from([0, 1, 1, 2, 2, 3, 3, 4]),
        st.sampled_from(["adult", "adult", "child"]),
        st.sampled_from([0, 0, 0, 1, 2]),
        st.sampled_from([0, 0, 0, 0, 1]),
    ),
    min_size=30,
    max_size=60,
)
BEGINNING = [
    ("create", 0, None, 0, "adult", 0, 0),
    ("create", 1, None, 0, "adult", 0, 0),
    ("invite", 0, "owner", 2, "adult", 0, 0),
    ("accept", 0, None, 2, "adult", 0, 0),
]
"""So that there is something to do things to."""


def timed(drawn: Sequence[Any]) -> list[Operation]:
    """The operations, each some days after the one before."""
    day, sequence = 0, []
    for number, (*what, days) in enumerate([*BEGINNING, *drawn]):
        day += days
        sequence.append(Operation(*what, number, day))
    return sequence


@dataclass
class World:
    """Identity's tables, in memory, and what was answered and told."""

    rows: dict[tuple[int, str, Any], tuple[Any, ...]] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)
    told: dict[int, list[bytes]] = field(default_factory=dict)
    invitations: list[UUID] = field(default_factory=list)

    def write(self, commands: Sequence[Any], at: datetime) -> None:
        """One batch, with everything there is loaded."""
        state = State(CONFIG)
        state.fill(self.members(), (), ())
        state.groups.fill_groups(self.groups())
        seats = self.seats()
        state.groups.fill_seats([(owner_id, seat) for owner_id, seat in seats if seat.left_at is None])
        state.groups.fill_left(self.left(seats))
        state.groups.fill_invitations([invitation for _, invitation in self.asked()])
        moment = Moment(at, CONFIG, 1, dict.fromkeys(range(PARTITIONS), 1), PARTITIONS - 1)
        batch = Batch(OPERATIONS, state, moment, self.kept, {}, "identity.tessera")
        self.answers += [batch.run(command) for command in commands]
        for partition in range(PARTITIONS):
            for table, rows in batch.rows(partition).items():
                size = 2 if table in ("seats", "invitations") else 1
                self.rows |= {(partition, table, tuple(row[:size])): tuple(row) for row in rows}
            self.told.setdefault(partition, []).extend(state.events(partition))

    def members(self) -> list[Member]:
        """All members."""
        changed = {row[0]: row for row in self._of("members")}
        return [
            Member(
                partition_of(member_id, PARTITIONS),
                member_id,
                Status(changed[member_id][1]) if member_id in changed else Status.ACTIVE,
                START,
                Wrapped(1, b""),
                b"",
            )
            for member_id in ENROLLED
        ]

    def groups(self) -> list[Group]:
        """All groups."""
        found = [Group(*row) for row in self._of("groups")]
        return [group._replace(status=GroupStatus(group.status)) for group in found]

    def seats(self) -> list[tuple[UUID, Seat]]:
        """All seats, each with whose half it is."""
        return [(row[0], Seat(*row[1:])) for row in self._of("seats")]

    def asked(self) -> list[tuple[UUID, Invitation]]:
        """All invitations, each with whose half it is."""
        found = [(row[0], Invitation(*row[1:])) for row in self._of("invitations")]
        return [(owner, one._replace(status=InvitationStatus(one.status))) for owner, one in found]

    @staticmethod
    def left(seats: Sequence[tuple[UUID, Seat]]) -> list[Left]:
        """When members last left, by their own halves."""
        ended = [seat for owner_id, seat in seats if seat.left_at is not None and owner_id == seat.member_id]
        ended.sort(key=lambda seat: seat.left_at or START)
        return [Left(seat.member_id, seat.kind, seat.group_id, seat.left_at or START) for seat in ended]

    def _of(self, table: str) -> list[tuple[Any, ...]]:
        return [row for (_, name, _), row in self.rows.items() if name == table]


def command_of(operation: Operation, world: World) -> Any:
    """The command that the servicer would make, which has read the tables as they are; None when it would refuse."""
    request = Request(ids.hashed(bytes([operation.number] * 16), 0), b"")
    group_id, member_id = GROUPS[operation.group], MEMBERS[operation.member]
    new_id = ids.hashed(bytes([operation.number + 64] * 16), ids.routing_of(group_id))
    invitation = _invitation(operation, world)
    group = next((group for group in world.groups() if group.group_id == group_id), None)
    acting = _acting(operation, group)
    inside = [seat.member_id for owner, seat in world.seats() if owner == group_id and seat.left_at is None]
    if operation.kind in ("leave", "remove", "change_role", "transfer") and inside and operation.number % 4:
        member_id = sorted(inside)[operation.member % len(inside)]
    if operation.kind in ("accept", "decline", "cancel", "expire"):
        if invitation is None:
            return None
        group_id = invitation.group_id
        new_id = ids.hashed(bytes([operation.number + 64] * 16), ids.routing_of(group_id))
        # Mostly whoever was asked.
        member_id = invitation.member_id if operation.number % 4 else member_id
    of_group = (request, group_id, False)
    match operation.kind:
        case "create":
            founder = MEMBERS[operation.group]
            return (
                None
                if group
                else groups.CreateGroup(request, group_id, new_id, "household", founder, "", "", VAULT, {}, False)
            )
        case "invite":
            return groups.InviteToGroup(*of_group, acting, member_id, new_id, operation.role, "", "")
        case "accept" if invitation:
            return groups.AcceptInvitation(*of_group, invitation.invitation_id, member_id, new_id, VAULT, {})
        case "decline" if invitation:
            return groups.DeclineInvitation(*of_group, invitation.invitation_id, member_id)
        case "cancel" if invitation:
            return groups.CancelInvitation(*of_group, acting, invitation.member_id, invitation.invitation_id)
        case "expire" if invitation:
            return groups.ExpireInvitation(None, group_id, False, invitation.invitation_id, invitation.member_id)
        case "leave":
            return groups.LeaveGroup(*of_group, member_id)
        case "remove":
            return groups.RemoveFromGroup(*of_group, acting, member_id)
        case "change_role":
            return groups.ChangeRole(*of_group, acting, member_id, operation.role, "", "")
        case "transfer":
            return groups.TransferGroupOwnership(*of_group, acting, member_id, group.owner_id) if group else None
        case "dissolve":
            concerned = {seat.member_id for owner, seat in world.seats() if owner == group_id and seat.left_at is None}
            concerned |= {one.member_id for owner, one in world.asked() if owner == group_id}
            return groups.DissolveGroup(*of_group, acting, tuple(sorted(concerned)))
        case kind:
            change = StatusChange(kind)
            home = ids.routing_of(member_id)
            closing = ChangeStatus(request, home, member_id, frozenset(), change, "", (), False)
            return closing if member_id in ENROLLED else None


def _acting(operation: Operation, group: Group | None) -> UUID | None:
    if operation.acting == "owner":
        return group.owner_id if group else MEMBERS[0]
    return None if operation.acting is None else MEMBERS[int(operation.acting)]


def _invitation(operation: Operation, world: World) -> Invitation | None:
    if operation.invitation >= len(world.invitations):
        return None
    wanted = world.invitations[-1 - operation.invitation]
    return next(one for _, one in world.asked() if one.invitation_id == wanted)


def expected(model: GroupModel, command: Any) -> str:
    """What the model says to a command."""
    model_of: dict[type, Callable[[Any], str]] = {
        groups.CreateGroup: lambda c: model.create(str(c.group_id), str(c.member_id)),
        groups.InviteToGroup: lambda c: model.invite(
            str(c.invitation_id), str(c.group_id), _text(c.acting_id), str(c.member_id), c.role
        ),
        groups.AcceptInvitation: lambda c: model.accept(str(c.invitation_id), str(c.member_id)),
        groups.DeclineInvitation: lambda c: model.end(str(c.invitation_id), str(c.member_id), "DECLINED"),
        groups.CancelInvitation: lambda c: model.end(str(c.invitation_id), _text(c.acting_id), "CANCELLED"),
        groups.ExpireInvitation: lambda c: "ok",
        groups.LeaveGroup: lambda c: model.leave(str(c.group_id), str(c.member_id)),
        groups.RemoveFromGroup: lambda c: model.remove(str(c.group_id), _text(c.acting_id), str(c.member_id)),
        groups.ChangeRole: lambda c: model.change_role(str(c.group_id), _text(c.acting_id), str(c.member_id), c.role),
        groups.TransferGroupOwnership: lambda c: model.transfer(str(c.group_id), _text(c.acting_id), str(c.member_id)),
        groups.DissolveGroup: lambda c: model.dissolve(str(c.group_id), _text(c.acting_id)),
        ChangeStatus: lambda c: getattr(model, c.change.value)(str(c.member_id)),
    }
    return model_of[type(command)](command)


def _text(member_id: UUID | None) -> str | None:
    return None if member_id is None else str(member_id)


def answer_of(verdict: Any) -> str:
    return "ok" if verdict.code == OK else error_of_status(verdict.status()).reason


def run(sequence: Sequence[Operation], after: Callable[[World, Any, datetime], None]) -> World:
    """Do everything one by one; `after` is told of each command."""
    world = World()
    for operation in sequence:
        command = command_of(operation, world)
        if command is None:
            continue
        at = START + timedelta(days=operation.day)
        world.write([command], at)
        if isinstance(command, groups.InviteToGroup) and answer_of(world.answers[-1]) == "ok":
            world.invitations.append(command.invitation_id)
        after(world, command, at)
    return world


@settings(deadline=None, max_examples=100)
@given(operations)
def test_answers_and_groups_are_those_of_the_model(drawn: list[Any]) -> None:
    model = GroupModel({str(member_id) for member_id in ENROLLED})

    def check(world: World, command: Any, at: datetime) -> None:
        model.day = (at - START).days
        assert answer_of(world.answers[-1]) == expected(model, command)
        for half in ("group_id", "member_id"):
            seats = {
                (str(seat.group_id), str(seat.member_id), seat.role)
                for owner, seat in world.seats()
                if seat.left_at is None and owner == getattr(seat, half)
            }
            assert seats == {
                (name, member, role) for name, group in model.groups.items() for member, role in group.roles.items()
            }
            asked = {
                str(one.invitation_id): status_at(one, at).name
                for owner, one in world.asked()
                if owner == getattr(one, half)
            }
            assert asked == {name: model.status(one) for name, one in model.asked.items()}
        assert {str(group.group_id): str(group.owner_id) for group in world.groups()} == {
            name: group.owner for name, group in model.groups.items()
        }

    run(timed(drawn), check)


@settings(deadline=None, max_examples=100)
@given(operations, st.lists(st.integers(1, 8), max_size=20))
def test_any_split_into_batches_is_the_same_as_one_by_one(drawn: list[Any], sizes: list[int]) -> None:
    commands: list[Any] = []
    on_one_day = timed([(*what, 0) for *what, _ in drawn])
    one_by_one = run(on_one_day, lambda world, command, at: commands.append(command))
    split = World(invitations=one_by_one.invitations)
    while commands:
        size = sizes.pop() if sizes else len(commands)
        split.write(commands[:size], START)
        commands = commands[size:]
    assert split == one_by_one


@settings(deadline=None, max_examples=60)
@given(operations)
def test_each_partition_tells_its_own_half_and_all_of_it(drawn: list[Any]) -> None:
    world = run(timed(drawn), lambda world, command, at: None)
    seats: dict[tuple[UUID, UUID], tuple[int, Any]] = {}
    asked: dict[tuple[UUID, UUID], tuple[int, Any]] = {}
    owners: dict[UUID, UUID] = {}
    for partition, told in world.told.items():
        for raw in told:
            event = event_pb2.Event.FromString(raw)
            name = event.WhichOneof("event")
            change = getattr(event, name)
            if name == "group_changed":
                owners[ids.from_bytes(change.group_id)] = ids.from_bytes(change.owner_id)
            elif name in ("group_member_changed", "member_group_changed"):
                owner = change.group_id if name == "group_member_changed" else change.member_id
                seats[ids.from_bytes(owner), ids.from_bytes(change.seat_id)] = (partition, change)
            elif name in ("group_invitation_changed", "member_invitation_changed"):
                owner = change.group_id if name == "group_invitation_changed" else change.member_id
                asked[ids.from_bytes(owner), ids.from_bytes(change.invitation_id)] = (partition, change)
    assert owners == {group.group_id: group.owner_id for group in world.groups()}
    assert seats.keys() == {(owner, seat.seat_id) for owner, seat in world.seats()}
    for owner, seat in world.seats():
        partition, change = seats[owner, seat.seat_id]
        assert partition == partition_of(owner, PARTITIONS)
        assert told_seat(change) == seat
        assert list(change.shares) == ["points"]
    assert asked.keys() == {(owner, one.invitation_id) for owner, one in world.asked()}
    assert all(told_invitation(asked[owner, one.invitation_id][1]) == one for owner, one in world.asked())


def told_seat(change: Any) -> Seat:
    """A seat, by what was told of it alone."""
    seat_id, group_id, member_id = map(ids.from_bytes, (change.seat_id, change.group_id, change.member_id))
    times = map(from_microseconds, (change.joined_at_us, change.role_since_us, change.left_at_us))
    return Seat(
        seat_id,
        group_id,
        member_id,
        change.kind,
        change.role,
        change.label,
        change.cost_centre,
        *times,  # type: ignore[arg-type]  # only the last may be absent
    )


def told_invitation(change: Any) -> Invitation:
    """An invitation, by what was told of it alone."""
    times = map(from_microseconds, (change.created_at_us, change.expires_at_us, change.closed_at_us))
    return Invitation(
        *map(ids.from_bytes, (change.invitation_id, change.group_id, change.member_id)),
        change.kind,
        change.role,
        change.label,
        change.cost_centre,
        ids.from_bytes(change.invited_by) if change.invited_by else None,
        InvitationStatus(change.status),
        *times,  # type: ignore[arg-type]  # only the last may be absent
    )
