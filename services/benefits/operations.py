"""The order of steps of a batch: what it loads, what each command comes to, how that is folded in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from services.benefits import queries
from services.benefits.commands import ExpireEntitlements, IssueEntitlement, IssueMonthly, Redeem, ReverseRedemption
from services.benefits.config import BenefitsConfig
from services.benefits.entitlements.operations import expire, issue_listed, issue_monthly
from services.benefits.entitlements.rules import grants_of_month
from services.benefits.following import follow
from services.benefits.heard import AccountLinked, AccountUnlinked, StandingChanged
from services.benefits.merges import previews
from services.benefits.merges.commands import LoadPersons, LoadReturn
from services.benefits.merges.values import ErasureHeard, MergeHeard, UnmergeHeard
from services.benefits.naming import entitlement_id, entitlement_ids
from services.benefits.redemptions.operations import redeem, reverse
from services.benefits.state import Draft, State
from services.benefits.states import States, Work
from services.benefits.values import LIST
from services.chassis.feed_batch import FeedBatch
from services.chassis.member_records.commands import Preview
from services.chassis.operations import Decided, Moment, Operations
from services.chassis.reading import Reading


@dataclass(slots=True)
class _Keys:
    """What a batch concerns. Of `pairs` (members and benefits) what can be used, of `issued` all there ever was."""

    members: set[UUID] = field(default_factory=set)
    standings: set[UUID] = field(default_factory=set)
    accounts: set[UUID] = field(default_factory=set)
    entitlements: set[UUID] = field(default_factory=set)
    redemptions: set[UUID] = field(default_factory=set)
    pairs: set[tuple[UUID, str]] = field(default_factory=set)
    issued: set[tuple[UUID, str]] = field(default_factory=set)
    benefits: set[str] = field(default_factory=set)
    persons: set[UUID] = field(default_factory=set)
    """Members of whom all is concerned that they have and used."""


async def load(connection: asyncpg.Connection, partition: int, commands: Sequence[Any], states: States) -> None:
    """Read what the commands concern: two statements at most, one when it is named by the commands themselves."""
    state = states.at(partition)
    keys = _Keys()
    for command in commands:
        _collect(keys, command, states.config)
        if isinstance(command, LoadReturn):
            state.at_hand.add(command)
    reading = Reading(connection, partition)
    if keys.members:
        queries.read_members(reading, keys.members, state)
    if keys.standings:
        queries.read_intervals(reading, keys.standings, state)
    if keys.accounts:
        queries.read_accounts(reading, keys.accounts, state)
    if keys.redemptions:
        queries.read_redemptions(reading, keys.redemptions, state)
    _read_rights(reading, keys, state)
    if keys.persons:
        queries.read_persons(reading, keys.persons, state)
        state.whole |= keys.persons
    await reading.run()
    further = _concerned_too(keys, commands, state)
    if further.members:
        queries.read_members(reading, further.members, state)
    if further.accounts:
        queries.read_accounts(reading, further.accounts, state)
    _read_rights(reading, further, state)
    await reading.run()


def _read_rights(reading: Reading, keys: _Keys, state: State) -> None:
    """Entitlements, quotas, and how many there are of each."""
    if keys.entitlements or keys.pairs or keys.issued:
        queries.read_entitlements(reading, keys.entitlements, keys.pairs, keys.issued, state)
    if keys.pairs:
        queries.read_quota_uses(reading, keys.pairs, state)
    if keys.benefits:
        queries.read_counts(reading, keys.benefits, state)


def _concerned_too(read: _Keys, commands: Sequence[Any], state: State) -> _Keys:
    """What else is concerned by what was read: redemptions may be taken back, and all that is there is counted.

    A reference may have been used for a member that was merged since.
    """
    keys = _Keys()
    for command in commands:
        member = state.members.get(command.member_id) if isinstance(command, IssueEntitlement) else None
        if member is not None and member.merged is not None:
            keys.entitlements.update(entitlement_ids(member, command.benefit, LIST, command.reference))
    for redemption in state.redemptions.values():
        keys.benefits.add(redemption.benefit)
        if redemption.entitlement_id is not None:
            keys.entitlements.add(redemption.entitlement_id)
        else:
            keys.pairs.add((redemption.member_id, redemption.benefit))
            keys.members.add(redemption.member_id)
            if redemption.account_id is not None:
                keys.accounts.add(redemption.account_id)
    keys.benefits.update(entitlement.benefit for entitlement in state.entitlements.values())
    keys.entitlements -= state.entitlements.keys()
    keys.pairs -= read.pairs
    keys.members -= read.members
    keys.accounts -= read.accounts
    keys.benefits -= read.benefits
    return keys


def _collect(keys: _Keys, command: Any, config: BenefitsConfig) -> None:
    match command:
        case Redeem():
            keys.members.add(command.member_id)
            keys.redemptions.add(command.redemption_id)
            keys.pairs.add((command.member_id, command.benefit))
            keys.benefits.add(command.benefit)
            if command.account_id is not None:
                keys.accounts.add(command.account_id)
            if command.entitlement_id is not None:
                keys.entitlements.add(command.entitlement_id)
        case ReverseRedemption():
            keys.redemptions.add(command.redemption_id)
        case IssueEntitlement():
            keys.members.add(command.member_id)
            keys.entitlements.add(command.entitlement_id)
            keys.benefits.add(command.benefit)
        case IssueMonthly():
            _collect_monthly(keys, command, config)
        case ExpireEntitlements():
            keys.entitlements.update(command.entitlement_ids)
        case LoadReturn():
            keys.members.add(command.member_id)
            keys.pairs.add((command.member_id, command.benefit))
            if command.account_id is not None:
                keys.accounts.add(command.account_id)
            if command.entitlement_id is not None:
                keys.entitlements.add(command.entitlement_id)
        case _ if isinstance(command, LoadPersons | Preview):
            keys.members.update(command.member_ids)
            keys.persons.update(command.member_ids)
        case FeedBatch():
            for record in command.records:
                for told in record.events:
                    _collect_told(keys, told, config)


def _collect_monthly(keys: _Keys, command: IssueMonthly, config: BenefitsConfig) -> None:
    keys.members.update(command.member_ids)
    keys.standings.update(command.member_ids)
    for grant in grants_of_month(config.monthly, command.month_start):
        code = grant.benefit.code
        keys.benefits.add(code)
        keys.entitlements.update(
            entitlement_id(member_id, code, grant.cause, grant.reference) for member_id in command.member_ids
        )


def _collect_told(keys: _Keys, told: Any, config: BenefitsConfig) -> None:
    match told:
        case AccountUnlinked():
            keys.accounts.add(told.account_id)
        case AccountLinked():
            pass
        case MergeHeard() | UnmergeHeard() | ErasureHeard():
            keys.members.update(told.member_ids)
            keys.persons.update(told.member_ids)
        case StandingChanged():
            keys.members.add(told.member_id)
            keys.standings.add(told.member_id)
            gifts = [benefit.code for benefit, _ in config.level_ups.get(told.ladder, ())]
            monthly = [grant.benefit.code for grant in grants_of_month(config.monthly, told.effective_from)]
            for code in (*gifts, *monthly):
                keys.benefits.add(code)
                keys.issued.add((told.member_id, code))
        case _:
            keys.members.add(told.member_id)


def decide(states: States, command: Any, moment: Moment[BenefitsConfig]) -> Decided:
    """What a command comes to."""
    match command:
        case Redeem():
            return redeem(states.at(moment.partition_of(command.redemption_id.int)), command, moment)
        case ReverseRedemption():
            return reverse(states, command, moment)
        case IssueEntitlement():
            return issue_listed(states.at(moment.partition_of(command.entitlement_id.int)), command, moment)
        case IssueMonthly():
            return issue_monthly(states.at(command.partition), command, moment)
        case ExpireEntitlements():
            return expire(states.at(command.partition), command, moment)
        case FeedBatch():
            return follow(states, command, moment)
        case _ if isinstance(command, Preview):
            return previews.decide(Work(states, moment), command)
        case _:
            raise TypeError(f"benefits knows no command {type(command).__name__}")


def apply(states: States, outcome: Sequence[Draft], moment: Moment[BenefitsConfig]) -> None:
    """Fold in what a command came to."""
    for draft in outcome:
        draft.state.take(draft)


OPERATIONS: Operations[States, BenefitsConfig] = Operations(States, load, decide, apply)
