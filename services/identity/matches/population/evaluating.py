"""Brings all members under the policies in force: what becomes something else is judged again under the locks."""

from collections.abc import AsyncIterator, Sequence

from services.chassis.app import Platform
from services.chassis.errors import Refused, from_status
from services.chassis.verdicts import OK, Verdict
from services.identity.matches import rules
from services.identity.matches.commands import EvaluatePair
from services.identity.matches.population.queries import Pair
from services.identity.matches.population.reading import Judged, Population
from services.identity.people import People
from services.identity.values import Config
from tessera.identity.v1 import match_pb2 as pb

TOGETHER = 100
"""Pairs that are judged in one transaction at most."""


async def evaluate_all(platform: Platform[Config]) -> AsyncIterator[pb.EvaluateMatchesResponse]:
    """How far it is, page by page. What was done stays done when it is broken off."""
    _, config = await platform.configurations.current(platform.pool)
    changed = 0
    async with platform.long_reads() as connection:
        population = Population(platform, connection, config, rules.policies_of(config))
        async for progress in population.read():
            yield pb.EvaluateMatchesResponse(progress=progress)
        async for page in population.pages():
            becoming = [(one.pair, one.values) for one in page if is_changing(one)]
            changed += await _evaluate(platform, becoming)
            yield pb.EvaluateMatchesResponse(progress=population.progress, changed=changed)
        async for pairs in population.forsaken():
            changed += await _evaluate(platform, [(pair, ()) for pair in pairs])
        yield pb.EvaluateMatchesResponse(progress=population.progress, changed=changed, done=True)


def is_changing(one: Judged) -> bool:
    """Whether a pair becomes something else than it is."""
    current = rules.current(one.known)
    if rules.superfluous(one.known, current):
        return True
    if one.conclusion is None:
        return False
    return current is None or rules.is_changed(current, rules.becoming(current, one.outcome, *one.conclusion))


async def _evaluate(platform: Platform[Config], pairs: Sequence[tuple[Pair, tuple[bytes, ...]]]) -> int:
    """Judge pairs anew under their locks; how many matches became something else."""
    people = People(platform.pool, platform.settings.partitions)
    changed = 0
    for place in range(0, len(pairs), TOGETHER):
        some = pairs[place : place + TOGETHER]
        members = await people.find({one for pair, _ in some for one in pair})
        commands = [
            EvaluatePair(*pair, homes=tuple(sorted(members[pair[0]].homes | members[pair[1]].homes)), values=values)
            for pair, values in some
        ]
        for outcome in await platform.lanes.submit(commands):
            changed += _changed(outcome)
    return changed


def _changed(outcome: Verdict | BaseException) -> int:
    if not isinstance(outcome, Verdict):
        raise outcome
    if outcome.code != OK:
        raise Refused(from_status(outcome.status()))
    return int.from_bytes(outcome.payload, "big")
