"""May these members use these benefits now? Asked together, in one query that also tells the time and the version."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from services.benefits import errors, queries, rules, wire
from services.benefits.values import BenefitsConfig
from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.errors import Refused, Rejection
from services.chassis.gathering import Gathered
from services.chassis.partitions import partition_of
from services.chassis.replies import fill_result
from services.chassis.validation import item_rejection
from tessera.benefits.v1 import benefits_service_pb2 as pb


class Question(NamedTuple):
    """May a member use a benefit in a domain ("": it does not matter)?"""

    member_id: UUID
    benefit: str
    domain: str


class Judged(NamedTuple):
    """What was found, or why the question has no answer; and the configuration version that it was decided with."""

    found: rules.Yes | rules.No | Rejection
    config_version: int


class Checks:
    """Answers CheckEntitlement in its two forms."""

    def __init__(self, platform: Platform[BenefitsConfig]) -> None:
        self._platform = platform
        self._partitions = platform.settings.partitions
        self._gathered: Gathered[Question, Judged] = Gathered(self._judge_all)

    async def one(self, request: pb.CheckEntitlementRequest) -> pb.CheckEntitlementResponse:
        """Answer one question. Calls that wait together share a query."""
        member_id = ids.decode(wire.MEMBER, request.member_id)
        judged, config_version = await self._gathered.get(Question(member_id, request.benefit, request.domain))
        if isinstance(judged, Rejection):
            raise Refused(judged)
        response = pb.CheckEntitlementResponse()
        wire.fill_check(response, judged, config_version)
        return response

    async def many(self, requests: Sequence[pb.CheckEntitlementRequest]) -> pb.BulkCheckEntitlementsResponse:
        """Answer many questions; each has its own result."""
        admitted = admit(requests)
        judged = iter(await self._judge_all([question for question in admitted if isinstance(question, Question)]))
        response = pb.BulkCheckEntitlementsResponse()
        results = response.results
        for question in admitted:
            found, config_version = next(judged) if isinstance(question, Question) else Judged(question, 0)
            if isinstance(found, Rejection):
                fill_result(results.add(), found, wire.ERROR_DOMAIN)
            else:
                wire.fill_check(results.add().response, found, config_version)
        return response

    async def _judge_all(self, questions: Sequence[Question]) -> Sequence[Judged]:
        """Judge questions, all at one instant and by one configuration."""
        if not questions:
            return []
        member_ids = [question.member_id for question in questions]
        partitions = [partition_of(member_id, self._partitions) for member_id in member_ids]
        benefits = [question.benefit for question in questions]
        facts, version, virtual_now = await queries.checks(self._platform.pool, partitions, member_ids, benefits)
        config = await self._platform.configurations.at(self._platform.pool, version)
        now = virtual_now or datetime.now(UTC)
        return [
            Judged(_judge(question, known, config, now), version)
            for question, known in zip(questions, facts, strict=True)
        ]


def _judge(
    question: Question, facts: queries.Facts, config: BenefitsConfig, now: datetime
) -> rules.Yes | rules.No | Rejection:
    benefit = config.benefits.get(question.benefit)
    if benefit is None:
        return errors.benefit_unknown(question.benefit)
    member = facts.member
    refusal = rules.member_refusal(member)
    if member is None or refusal is errors.MEMBER_UNKNOWN:
        return errors.MEMBER_UNKNOWN
    if refusal is not None:
        return rules.No(refusal)
    return rules.judge(benefit, member, question.domain, now, facts.rights, facts.use)


def admit(requests: Sequence[pb.CheckEntitlementRequest]) -> list[Question | Rejection]:
    """The questions of a bulk call, and why others are refused.

    The validator takes two microseconds for an item, as long as all the rest. It is shown the first of each benefit and
    domain, and whatever else is not plain: a valid benefit and domain and a well-formed ID break no rule.
    """
    admitted: list[Question | Rejection] = []
    valid: set[tuple[str, str]] = set()
    for request in requests:
        benefit, domain = request.benefit, request.domain
        if (benefit, domain) not in valid or request.at_least:
            rejection = item_rejection(request)
            if rejection is not None:
                admitted.append(rejection)
                continue
            valid.add((benefit, domain))
        try:
            admitted.append(Question(ids.decode(wire.MEMBER, request.member_id), benefit, domain))
        except ValueError:
            admitted.append(_rejection_of(request))
    return admitted


def _rejection_of(request: pb.CheckEntitlementRequest) -> Rejection:
    rejection = item_rejection(request)
    assert rejection is not None, "the contract's pattern for IDs and their decoder say the same"
    return rejection
