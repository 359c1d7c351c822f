"""What a policy would do to all members, before it is published."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable

from services.chassis import ids
from services.chassis.app import Platform
from services.chassis.configurations import current_version, load_documents
from services.chassis.document_wire import from_message
from services.chassis.documents import Document, DocumentErrors
from services.chassis.errors import FieldViolation
from services.chassis.publishing import merged
from services.identity.matches import wire
from services.identity.matches.population.reading import Judged, Population
from services.identity.matches.values import Action, MatchPolicy, MatchReason, MatchStatus
from services.identity.values import MEMBER, Config
from tessera.config.v1.config_service_pb2 import Document as DocumentMessage
from tessera.identity.v1 import match_pb2 as pb

KIND = "match-policy"


async def policy_given(platform: Platform[Config], message: DocumentMessage) -> tuple[Config, MatchPolicy]:
    """A policy that is not published, and the configuration as it would be with it. Raises Refused
    (DOCUMENT_INVALID)."""
    try:
        document = _policy(from_message(message))
        in_force = await load_documents(platform.pool, await current_version(platform.pool))
        config = platform.configurations.compile(merged(in_force, [document], complete=False))
    except DocumentErrors as error:
        raise error.refused() from None
    return config, config.match_policies[document.code]


def _policy(document: Document) -> Document:
    if document.kind != KIND:
        raise DocumentErrors([FieldViolation(document.name, f"is no {KIND}")])
    return document


async def simulate(
    platform: Platform[Config], config: Config, policy: MatchPolicy, samples: int
) -> AsyncIterator[pb.SimulateMatchPolicyResponse]:
    """How far it is, page by page, and at the end what was found. Nothing is written."""
    async with platform.long_reads() as connection:
        population = Population(platform, connection, config, [policy])
        async for progress in population.read():
            yield pb.SimulateMatchPolicyResponse(progress=progress)
        tally = Tally(samples)
        async for page in population.pages():
            tally.add(page)
            await population.note_merging([one.pair for one in page if _becomes(one, MatchStatus.MERGING)])
            yield pb.SimulateMatchPolicyResponse(progress=population.progress)
        summary = tally.summary(population.members, await population.count_absorbed())
        yield pb.SimulateMatchPolicyResponse(progress=population.progress, summary=summary)


class Tally:
    """Counts what becomes of pairs, and keeps some of each kind to show."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._pairs = 0
        self._decided = 0
        self._statuses: Counter[MatchStatus] = Counter()
        self._reasons: Counter[str] = Counter()
        self._shown: list[pb.JudgedPair] = []

    def add(self, page: Iterable[Judged]) -> None:
        """Count some more."""
        for one in page:
            self._pairs += 1
            if one.conclusion is None:
                self._decided += one.outcome.action is not Action.NOTHING and any(m.is_settled for m in one.known)
                continue
            status, reason = one.conclusion
            self._statuses[status] += 1
            self._reasons[reason] += status is MatchStatus.OPEN
            if status is not MatchStatus.LAPSED and self._statuses[status] <= self._samples:
                self._shown.append(_shown(one, status, reason))

    def summary(self, members: int, absorbed: int) -> pb.MatchSummary:
        """All that was counted."""
        return pb.MatchSummary(
            pairs=self._pairs,
            merged=self._statuses[MatchStatus.MERGING],
            reviewed=self._statuses[MatchStatus.OPEN],
            real_names_differ=self._reasons[MatchReason.REAL_NAMES_DIFFER],
            decided_before=self._reasons[MatchReason.DECIDED_BEFORE],
            linked=self._statuses[MatchStatus.LINKED],
            decided=self._decided,
            members=members,
            members_remaining=members - absorbed,
            samples=self._shown,
        )


def _becomes(one: Judged, status: MatchStatus) -> bool:
    return one.conclusion is not None and one.conclusion[0] is status


def _shown(one: Judged, status: MatchStatus, reason: str) -> pb.JudgedPair:
    return pb.JudgedPair(
        member_id=ids.encode(MEMBER, one.pair[0]),
        other_id=ids.encode(MEMBER, one.pair[1]),
        status=wire.STATUSES[status],
        reason=reason,
        score=one.outcome.score,
        evidence=wire.evidence_messages(one.outcome.evidence),
    )
