"""Whose a score is that was sent to an ID: of whom the ID leads to, or of whose the account is by now."""

from collections.abc import Iterable

from services.chassis.operations import Wider
from services.tiers.merges.commands import LoadScored
from services.tiers.states import Work
from services.tiers.tally import Score


def resolve(work: Work, scores: Iterable[Score]) -> list[Score] | Wider:
    """Scores as they are for those whose they are; those of nobody are left out.

    What is for another partition has to be locked there; all that is for one partition is asked for together.
    """
    found: list[Score] = []
    missing: dict[int, list[Score]] = {}
    for score in scores:
        held = _follow(work, score, missing)
        if held is not None:
            found.append(held)
    for partition, of_partition in sorted(missing.items()):
        return Wider(LoadScored(partition, tuple(dict.fromkeys(of_partition))))
    return found


def _follow(work: Work, score: Score, missing: dict[int, list[Score]]) -> Score | None:
    """A score for whose it is, hop by hop; noted as missing where a hop leads to what is not loaded for it."""
    while (link := work.state_of(score.member_id).links.get(score.member_id)) is not None:
        holder_id = link.holder_of(score.entry.source)
        if holder_id is None:
            return None if link.is_erased else score
        score = score._replace(member_id=holder_id)
        if score not in work.state_of(holder_id).at_hand:
            missing.setdefault(work.moment.partition_of(holder_id.int), []).append(score)
            return None
    return score
