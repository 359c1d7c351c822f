"""The order of steps of a batch: what it loads, what each command comes to, how that is folded in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from services.benefits import queries, rules
from services.benefits.commands import ExpireEntitlements, IssueEntitlement, IssueMonthly, Redeem, ReverseRedemption
from services.benefits.following import follow
from services.benefits.issuing import expire, issue_listed, issue_monthly
from services.benefits.merges import previews
from services.benefits.merges.commands import LoadEntitlement, LoadMembers
from services.benefits.merges.persons import elsewhere
from services.benefits.merges.previews import PreviewErasure, PreviewMerge, PreviewUnmerge
from services.benefits.merges.queries import read_all_of, read_links
from services.benefits.naming import entitlement_id
from services.benefits.redeeming import redeem, reverse
from services.benefits.state import Draft, State
from services.benefits.values import (
    AccountLinked,
    AccountUnlinked,
    BenefitsConfig,
    Merged,
    StandingChanged,
    Unmerged,
)
from services.chassis.feed_batch import FeedBatch
from services.chassis.operations import Decided, Moment, Operations
from services.chassis.reading import Reading


@dataclass(slots=True)
class _Keys:
    """What a batch concerns.

    Of `pairs` (members and benefits) what can be used, of `issued` all there ever was; of `whole` all a member has.
    """

    members: set[UUID] = field(default_factory=set)
    links: set[UUID] = field(default_factory=set)
    whole: set[UUID] = field(default_factory=set)
    standings: set[UUID] = field(default_factory=set)
    accounts: set[UUID] = field(default_factory=set)
    entitlements: set[UUID] = field(default_factory=set)
    redemptions: set[UUID] = field(default_factory=set)
    pairs: set[tuple[UUID, str]] = field(default_factory=set)
    issued: set[tuple[UUID, str]] = field(default_factory=set)
    benefits: set[str] = field(default_factory=set)


async def load(connection: asyncpg.Connection, partition: int, commands: Sequence[Any], state: State) -> None:
    """Read what the commands concern: two statements at most, one when it is named by the commands themselves.

    Of members that were merged all is read that they have, where a command concerns their person.
    """
    keys = _Keys()
    for command in commands:
        _collect(keys, command, state.config)
    reading = Reading(connection, partition)
    if keys.members:
        queries.read_members(reading, keys.members, state)
    if keys.standings:
        queries.read_intervals(reading, keys.standings, state)
    if keys.accounts:
        queries.read_accounts(reading, partition, keys.accounts, state)
    if keys.redemptions:
        queries.read_redemptions(reading, keys.redemptions, state)
    if keys.links:
        read_links(reading, keys.links, state)
    if keys.whole:
        state.loaded |= keys.whole
        read_all_of(reading, keys.whole, state)
    _read_rights(reading, partition, keys, state)
    await reading.run()
    too = _concerned_too(keys, state)
    if too.links:
        read_links(reading, too.links, state)
    _read_rights(reading, partition, too, state)
    await reading.run()


def _read_rights(reading: Reading, partition: int, keys: _Keys, state: State) -> None:
    """Entitlements, quotas, and how many there are of each."""
    if keys.entitlements or keys.pairs or keys.issued:
        queries.read_entitlements(reading, keys.entitlements, keys.pairs, keys.issued, state)
    if keys.pairs:
        queries.read_quota_uses(reading, keys.pairs, state)
    if keys.benefits:
        queries.read_counts(reading, partition, keys.benefits, state)


def _concerned_too(read: _Keys, state: State) -> _Keys:
    """What else is concerned by what was read: redemptions may be taken back, and all that is there is counted."""
    keys = _Keys()
    keys.links.update(member.member_id for member in state.members.values() if member.is_linked)
    keys.links -= read.links
    for redemption in state.redemptions.values():
        keys.benefits.add(redemption.benefit)
        keys.links.add(redemption.member_id)
        if redemption.entitlement_id is not None:
            keys.entitlements.add(redemption.entitlement_id)
        else:
            keys.pairs.add((redemption.member_id, redemption.benefit))
    keys.benefits.update(entitlement.benefit for entitlement in state.entitlements.values())
    keys.entitlements -= state.entitlements.keys()
    keys.pairs -= read.pairs
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
        case LoadMembers():
            keys.members.update(command.member_ids)
            keys.links.update(command.member_ids)
            keys.whole.update(command.member_ids)
        case LoadEntitlement():
            keys.entitlements.add(command.entitlement_id)
        case PreviewMerge() | PreviewUnmerge() | PreviewErasure():
            keys.members.update(command.member_ids)
            keys.links.update(command.member_ids)
        case IssueEntitlement():
            keys.members.add(command.member_id)
            keys.entitlements.add(command.entitlement_id)
            keys.benefits.add(command.benefit)
        case IssueMonthly():
            _collect_monthly(keys, command, config)
        case ExpireEntitlements():
            keys.entitlements.update(command.entitlement_ids)
        case FeedBatch():
            for record in command.records:
                for told in record.events:
                    _collect_told(keys, told, config)


def _collect_monthly(keys: _Keys, command: IssueMonthly, config: BenefitsConfig) -> None:
    keys.members.update(command.member_ids)
    keys.standings.update(command.member_ids)
    for grant in rules.grants_of_month(config.monthly, command.month_start):
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
        case Merged():
            keys.members.update((told.survivor_id, *told.merged_ids))
            keys.links.update((told.survivor_id, *told.merged_ids))
        case Unmerged():
            keys.members.update((told.holder_id, told.member_id, *told.absorbed_ids))
            keys.links.update((told.holder_id, told.member_id, *told.absorbed_ids))
        case StandingChanged():
            keys.members.add(told.member_id)
            keys.standings.add(told.member_id)
            gifts = [benefit.code for benefit, _ in config.level_ups.get(told.ladder, ())]
            monthly = [grant.benefit.code for grant in rules.grants_of_month(config.monthly, told.effective_from)]
            for code in (*gifts, *monthly):
                keys.benefits.add(code)
                keys.issued.add((told.member_id, code))
        case _:
            keys.members.add(told.member_id)


def decide(state: State, command: Any, moment: Moment[BenefitsConfig]) -> Decided:
    """What a command comes to, by whom the IDs in it lead to."""
    state.mask = moment.mask
    needed = elsewhere(state, command)
    if needed is not None:
        return needed
    match command:
        case Redeem():
            return redeem(state, command, moment)
        case ReverseRedemption():
            return reverse(state, command, moment)
        case IssueEntitlement():
            return issue_listed(state, command, moment)
        case IssueMonthly():
            return issue_monthly(state, command, moment)
        case ExpireEntitlements():
            return expire(state, command, moment)
        case FeedBatch():
            return follow(state, command, moment)
        case PreviewMerge() | PreviewUnmerge() | PreviewErasure():
            return previews.decide(state, command, moment)
        case _:
            raise TypeError(f"benefits knows no command {type(command).__name__}")


def apply(state: State, outcome: Draft, moment: Moment[BenefitsConfig]) -> None:
    """Fold in what a command came to."""
    state.take(outcome)


OPERATIONS: Operations[State, BenefitsConfig] = Operations(State, load, decide, apply)
