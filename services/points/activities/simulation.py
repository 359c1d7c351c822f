"""Asking what an activity would earn, without recording it."""

from datetime import datetime
from uuid import UUID

from services.chassis.app import Platform
from services.chassis.configurations import check_version
from services.chassis.database import Connection
from services.chassis.errors import Refused, Rejection
from services.chassis.instants import timestamp
from services.chassis.operations import Moment, Wider
from services.chassis.partitions import partition_of
from services.chassis.rpc import Call
from services.points import requests, wire
from services.points.activities import rules
from services.points.activities.limits import cap_period
from services.points.activities.operations import cap_keys, evaluate, levels_of
from services.points.activities.outcomes import CONDITION_FAILED, CONDITION_FALSE, NO_LONGER_VALID, RuleOutcome, Verdict
from services.points.budgets import reads as budget_reads
from services.points.commands import RecordActivity
from services.points.documents import EarnRule, PointsConfig
from services.points.giving import Subject
from services.points.groups.caps import group_at
from services.points.groups.commands import LoadGroupCaps
from services.points.loading import load_partition
from services.points.merges.commands import LoadOthers, meaning
from services.points.state import PointsState
from services.points.values import CapKey
from tessera.points.v1 import points_service_pb2 as pb


class Simulations:
    """The method of the contract that asks what an activity would earn."""

    def __init__(self, platform: Platform[PointsConfig]) -> None:
        self._platform = platform

    async def SimulateActivity(self, request: pb.SimulateActivityRequest, call: Call) -> pb.SimulateActivityResponse:
        """What an activity would earn, decided as recording decides it, on what a batch would load now."""
        await self._platform.at_least.wait(request.at_least, call)
        now = await self._platform.clock.now()
        command = requests.simulate_activity(request, call.caller, now)
        version, config = await self._configured(request.config_version)
        moment = Moment(now, config, version, {}, self._platform.settings.partitions - 1)
        command, state = await self._state(command, config, min(command.occurred_at, now))
        levels = {**levels_of(state, command, moment), **request.levels}
        told: dict[str, Verdict] = {}
        evaluated = evaluate(state, command, moment, levels, told)
        if isinstance(evaluated, Rejection):
            raise Refused(evaluated)
        assert not isinstance(evaluated, Wider), "all there is of budgets and caps is loaded"
        response = pb.SimulateActivityResponse(config_version=version)
        response.booked_at_receipt = command.occurred_at > evaluated.effective_at
        wire.fill_earnings(response, evaluated.earnings, evaluated.booked, evaluated.effective_at)
        for earning in response.earnings:
            earning.ClearField("lot_id")
        subject = Subject(command.activity, command.lines, levels)
        for rule in config.rules:
            report = response.rules.add(rule=rule.code, unit=rule.unit.code)
            _fill_report(report, rule, told[rule.code], subject)
            if (at := rules.eligible_at(rule, told[rule.code], evaluated.effective_at)) is not None:
                report.eligible_at.CopyFrom(timestamp(at))
        return response

    async def _configured(self, version: int) -> tuple[int, PointsConfig]:
        """A version's configuration, or that of the one in force. Raises Refused (VERSION_UNKNOWN)."""
        configurations, pool = self._platform.configurations, self._platform.pool
        if not version:
            return await configurations.current(pool)
        await check_version(pool, version)
        return version, await configurations.at(pool, version)

    async def _state(
        self, command: RecordActivity, config: PointsConfig, effective_at: datetime
    ) -> tuple[RecordActivity, PointsState]:
        """What a batch would load for the command, as of one instant, and what all partitions have of budgets; and the
        command for whom its ID leads to."""
        state = PointsState(config)
        async with (
            self._platform.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await self._load(connection, command.member_id, command, state)
            link = state.link(command.member_id)
            if link.leads_to is not None:
                command = meaning(command, link.leads_to)
                await self._load(connection, command.member_id, command, state)
            for each in state.link(command.member_id).merged:
                caps = tuple(key._replace(member_id=each) for key in cap_keys(command, config))
                await self._load(connection, each, LoadOthers((each,), caps=caps), state)
            if config.drawn_budgets:
                keys = [budget.key(effective_at) for budget in config.drawn_budgets]
                everywhere = range(self._platform.settings.partitions)
                for place, portion in await budget_reads.portions(connection, everywhere, keys):
                    state.budgets.add_portion(place, portion)
                for place in everywhere:
                    state.budgets.note_loaded(place, keys)
            await self._load_group_caps(connection, command, config, effective_at, state)
        return command, state

    async def _load(
        self, connection: Connection, member_id: UUID, command: RecordActivity | LoadOthers, state: PointsState
    ) -> None:
        """What a batch would load for a command in a member's partition."""
        partition = partition_of(member_id, self._platform.settings.partitions)
        await load_partition(connection, partition, [command], state)

    async def _load_group_caps(
        self,
        connection: Connection,
        command: RecordActivity,
        config: PointsConfig,
        effective_at: datetime,
        state: PointsState,
    ) -> None:
        """What the member's group has used of caps, into the same state."""
        group_id = group_at(state.seats.get(command.member_id, {}).values(), effective_at)
        if group_id is not None:
            keys = [CapKey(group_id, rule.code, cap_period(rule, effective_at)) for rule in config.group_capped_rules]
            partition = partition_of(group_id, self._platform.settings.partitions)
            await load_partition(connection, partition, [LoadGroupCaps(tuple(keys))], state)


def _fill_report(report: pb.RuleReport, rule: EarnRule, verdict: Verdict, subject: Subject) -> None:
    """What became of a rule, and why."""
    if isinstance(verdict, RuleOutcome):
        wire.fill_rule(report.outcome, verdict)
        report.problem = verdict.problem
        return
    report.problem = rules.problem(rule, verdict, subject)
    failed = verdict is CONDITION_FALSE and report.problem
    report.skipped = CONDITION_FAILED if failed else verdict.reason  # type: ignore[assignment]  # as in the contract
    report.excluded_by = verdict.excluded_by
    if verdict is NO_LONGER_VALID and rule.valid_until is not None:
        report.valid_until.CopyFrom(timestamp(rule.valid_until))
