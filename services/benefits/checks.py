"""May these members use these benefits now? Asked together, in one query that also tells the time and the version.

This is the hottest path of the service: an answer costs the reading of an ID, its share of the query, and the copying
of a reply that was made for the first member in the same case.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from services.benefits import errors, reads, wire
from services.benefits.config import BenefitsConfig
from services.benefits.redemptions.rules import No, Yes, judge
from services.benefits.rules import member_refusal
from services.benefits.values import Member, MemberStatus, QuotaUse, Right
from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.errors import Refused, Rejection
from services.chassis.gathering import Gathered
from services.chassis.partitions import partition_of
from services.chassis.replies import Serialised, bulk_result
from services.chassis.validation import item_rejection
from tessera.benefits.v1 import benefits_service_pb2 as pb

_NUMBER = itemgetter(0)
_MERGED = replace(errors.MEMBER_UNKNOWN)
"""What becomes of a question about a member that was merged: it is asked again about whom its ID means."""


class Question(NamedTuple):
    """May a member use a benefit in a domain ("": it does not matter)?"""

    member_id: UUID
    benefit: str
    domain: str


Answer = bytes | Rejection
"""A serialised bulk answer of one result, or why there is none: several in a row are one bulk answer."""


class Checks:
    """Answers CheckEntitlement in its two forms."""

    def __init__(self, platform: Platform[BenefitsConfig]) -> None:
        self._platform = platform
        self._partitions = platform.settings.partitions
        self._gathered: Gathered[Question, Answer] = Gathered(self._answer_all)

    async def one(self, request: pb.CheckEntitlementRequest) -> pb.CheckEntitlementResponse:
        """Answer one question. Calls that wait together share a query."""
        member_id = ids.decode(wire.MEMBER, request.member_id)
        answer = await self._gathered.get(Question(member_id, request.benefit, request.domain))
        if isinstance(answer, Rejection):
            raise Refused(answer)
        return pb.BulkCheckEntitlementsResponse.FromString(answer).results[0].response

    async def many(self, requests: Sequence[pb.CheckEntitlementRequest]) -> Serialised:
        """Answer many questions; each has its own result."""
        questions, refusals = admit(requests)
        answers = list(await self._answer_all(questions))
        for index, refusal in refusals.items():
            answers.insert(index, refusal)
        results = [
            answer if isinstance(answer, bytes) else bulk_result(answer, wire.ERROR_DOMAIN) for answer in answers
        ]
        return Serialised(b"".join(results))

    async def _answer_all(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Answer questions, all at one instant and by one configuration."""
        if not questions:
            return []
        answers = await self._answer_as_asked(questions)
        moved = [index for index, answer in enumerate(answers) if answer is _MERGED]
        if not moved:
            return answers
        # Their IDs lead to others by now; whoever they lead to leads nowhere else.
        asked = [questions[index] for index in moved]
        member_ids = [question.member_id for question in asked]
        partitions = [partition_of(member_id, self._partitions) for member_id in member_ids]
        meant = await reads.leads_to(self._platform.pool, partitions, member_ids)
        again = [question._replace(member_id=meant.get(question.member_id, question.member_id)) for question in asked]
        given = dict(zip(moved, await self._answer_as_asked(again), strict=True))
        return [given.get(index, answer) for index, answer in enumerate(answers)]

    async def _answer_as_asked(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Answer questions about members who are not merged; of those who are, say so."""
        pool = self._platform.pool
        member_ids, benefits, _ = zip(*questions, strict=True)
        checked = await reads.checks(pool, self._partitions, member_ids, benefits, datetime.now(UTC))
        config = await self._platform.configurations.at(pool, checked.config_version)
        case = Case(config, checked.config_version, checked.now)
        if any(config.asks_for_enrolment(benefit) for benefit in set(benefits)):
            partitions = [partition_of(member_id, self._partitions) for member_id in member_ids]
            case.enrolments = await reads.enrolments(pool, partitions, member_ids)
        rows_of_each = _by_question(checked.rows, len(questions))
        return [case.answer(question, rows) for question, rows in zip(questions, rows_of_each, strict=True)]


def _by_question(rows: Sequence[Any], questions: int) -> Iterable[Sequence[Any]]:
    """The rows of each question: at least one, nearly always one."""
    return zip(rows) if len(rows) == questions else (list(of_one) for _, of_one in groupby(rows, _NUMBER))


class Case:
    """What all questions of a query are judged by, and the answers that were given so far."""

    def __init__(self, config: BenefitsConfig, config_version: int, now: datetime) -> None:
        self._config = config
        self._config_version = config_version
        self._now = now
        self._given: dict[tuple[Any, ...], Answer | tuple[bytes, bytes]] = {}
        """By all that an answer follows from: the answer, or what stands in it before and after the entitlement."""
        self.enrolments: Mapping[UUID, datetime | None] = {}

    def answer(self, question: Question, rows: Sequence[Any]) -> Answer:
        """Answer a question by its rows. Members in the same case get the same answer, but for the entitlement."""
        facts, (entitlement_id, uses_left, begins_at) = rows[0][3:8], rows[0][8:11]
        if len(rows) > 1:
            return self._judge(question, facts, [Right(*row[8:11]) for row in rows])[0]
        enrolled_at = self.enrolments.get(question.member_id) if self.enrolments else None
        has_none = entitlement_id is None
        key = (question.benefit, question.domain, facts, enrolled_at, has_none, uses_left, begins_at)
        given = self._given.get(key)
        if given is None:
            rights = [] if has_none else [Right(entitlement_id, uses_left, begins_at)]
            given = self._given[key] = _without(*self._judge(question, facts, rights))
        if not isinstance(given, tuple):
            return given
        before, after = given
        return before + wire.entitlement_text(entitlement_id) + after

    def _judge(self, question: Question, facts: Sequence[Any], rights: Sequence[Right]) -> tuple[Answer, UUID | None]:
        """The answer, and the entitlement that would be used."""
        status, standing, upcoming, period_start, used = facts
        benefit = self._config.benefits.get(question.benefit)
        if benefit is None:
            return errors.benefit_unknown(question.benefit), None
        if status is None:
            return errors.MEMBER_UNKNOWN, None
        if status == MemberStatus.MERGED:
            return _MERGED, None
        enrolled_at = self.enrolments.get(question.member_id)
        member = Member(question.member_id, status, enrolled_at, standing, upcoming)
        refusal = member_refusal(member)
        if refusal is errors.MEMBER_UNKNOWN:
            return refusal, None
        if refusal is not None:
            return wire.check_answer(No(refusal), self._config_version), None
        use = QuotaUse(question.member_id, question.benefit, period_start, used) if used is not None else None
        judged = judge(benefit, member, question.domain, self._now, rights, use)
        entitlement_id = judged.entitlement_id if isinstance(judged, Yes) else None
        return wire.check_answer(judged, self._config_version), entitlement_id


def _without(answer: Answer, entitlement_id: UUID | None) -> Answer | tuple[bytes, bytes]:
    """What stands in an answer before and after the entitlement that would be used; all of it where there is none."""
    if entitlement_id is None or isinstance(answer, Rejection):
        return answer
    before, _, after = answer.partition(wire.entitlement_text(entitlement_id))
    return before, after


def admit(requests: Sequence[pb.CheckEntitlementRequest]) -> tuple[list[Question], dict[int, Rejection]]:
    """The questions of a bulk call, and by their index, in order, why others are refused.

    The validator takes two microseconds for an item, as long as half of the rest. It is shown the first of each benefit
    and domain, and whatever else is not plain: a valid benefit and domain and a well-formed ID break no rule.
    """
    questions: list[Question] = []
    refusals: dict[int, Rejection] = {}
    valid: set[tuple[str, str]] = set()
    for index, request in enumerate(requests):
        benefit, domain = request.benefit, request.domain
        if (benefit, domain) not in valid or request.at_least:
            rejection = item_rejection(request)
            if rejection is not None:
                refusals[index] = rejection
                continue
            valid.add((benefit, domain))
        try:
            questions.append(Question(ids.decode(wire.MEMBER, request.member_id), benefit, domain))
        except ValueError:
            refusals[index] = _rejection_of(request)
    return questions, refusals


def _rejection_of(request: pb.CheckEntitlementRequest) -> Rejection:
    rejection = item_rejection(request)
    assert rejection is not None, "the contract's pattern for IDs and their decoder say the same"
    return rejection
