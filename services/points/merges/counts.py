"""What accounts drew on caps, which goes with them when members are unmerged.

How much of a cap is used is counted by member, since that is all that a decision needs. What an account drew follows
from what its activities and conversions gave and still give. What went with it before is noted beside, as a use of its
own name, so that an account takes along what it drew in whatever merge, and what it brought comes with it again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from services.chassis.civil import civil_day, period_start, start_of_day
from services.points import wire
from services.points.activities import returns
from services.points.activities import wire as activity_wire
from services.points.documents import PointsConfig
from services.points.merges.values import Drawn
from services.points.specs import CapSpec
from services.points.state import PointsState
from services.points.units import Unit
from services.points.values import CapKey

_MOVED = "moved:"
Goes = Callable[[UUID | None], bool]


def since(config: PointsConfig, at: datetime) -> datetime | None:
    """From when on it matters what accounts drew: when the longest current period of a cap began; None without caps."""
    caps: list[tuple[Unit, CapSpec | None]] = [(rule.unit, rule.cap) for rule in config.capped_rules]
    caps += [(conversion.source, conversion.terms.cap) for conversion in config.conversions.values()]
    return min(
        (
            start_of_day(period_start(civil_day(at, unit.zone), cap.period), unit.zone)
            for unit, cap in caps
            if cap is not None
        ),
        default=None,
    )


def moved_key(key: CapKey, account_id: UUID) -> CapKey:
    """Under what it is noted how much of a cap's use an account brought to a member (negative: took from it)."""
    return key._replace(rule=f"{_MOVED}{account_id.hex}:{key.rule}")


def drawn_by(member_id: UUID, body: bytes, answer: bytes, refunds: Iterable[bytes]) -> list[Drawn]:
    """What a recorded activity draws on caps of its member, less what its refunds gave back."""
    activity = wire.activity_of(body)
    account_id = wire.decode_account(activity.account_id)
    rules = [effect.rules for effect in activity_wire.recorded_effects(answer)]
    lines = activity_wire.lines_of(activity)
    parts = [part for refund in refunds for part in activity_wire.recorded_refund(refund).parts]
    kept = returns.kept_of(rules, lines, returns.left_of(lines, parts))
    return [
        Drawn(account_id, CapKey(member_id, rule.rule, rule.cap_period), amount)
        for of_effect, of_rules in zip(rules, kept, strict=True)
        for rule, amount in zip(of_effect, of_rules, strict=True)
        if rule.cap_period is not None and rule.cap_group is None
    ]


def move(source: PointsState, source_id: UUID, target: PointsState, target_id: UUID, goes: Goes) -> None:
    """Let what accounts drew that go from one member count for another."""
    for (account_id, key), amount in sorted(_net(source, source_id).items()):
        if amount and goes(account_id):
            _count(source, key, account_id, -amount)
            _count(target, key._replace(member_id=target_id), account_id, amount)


def give_back(own: PointsState, home: PointsState, home_id: UUID, account_id: UUID, key: CapKey, amount: int) -> None:
    """Give something back that an account drew for a member that it left, and that counts for whoever has it now."""
    _count(home, key._replace(member_id=home_id), account_id, -amount)
    _note(own, key, account_id, amount)


def _net(state: PointsState, member_id: UUID) -> dict[tuple[UUID, CapKey], int]:
    """What each account drew on a member's caps, and what it brought or took along before."""
    net: defaultdict[tuple[UUID, CapKey], int] = defaultdict(int)
    for account_id, key, amount in state.drawn.get(member_id, ()):
        net[account_id, key] += amount
    for key, amount in state.cap_uses.items():
        if key.member_id == member_id and key.rule.startswith(_MOVED):
            account, rule = key.rule.removeprefix(_MOVED).split(":", 1)
            net[UUID(account), key._replace(rule=rule)] += amount
    return net


def _count(state: PointsState, key: CapKey, account_id: UUID, amount: int) -> None:
    state.put_cap_use(key, state.cap_uses.get(key, 0) + amount)
    _note(state, key, account_id, amount)


def _note(state: PointsState, key: CapKey, account_id: UUID, amount: int) -> None:
    moved = moved_key(key, account_id)
    state.put_cap_use(moved, state.cap_uses.get(moved, 0) + amount)
