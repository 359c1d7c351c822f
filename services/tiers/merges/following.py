"""What tiers does when identity tells that members were merged or unmerged.

A merge adds what the merged member scored to the survivor, from the merge's instant on and on its old days; the merged
one keeps its rows as they were. An unmerge moves what came through the accounts that leave, before the merge and since.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.chassis.civil import civil_day
from services.chassis.operations import Wider
from services.tiers import evaluation, rules, scoring
from services.tiers.events import Merged, Unmerged
from services.tiers.merges import rules as parting
from services.tiers.merges.commands import LoadMembers
from services.tiers.scoring import due_of, known_until
from services.tiers.state import Changes, ChangesByPartition, Score, rank_of
from services.tiers.values import Ladder, Step


def missing(changes: ChangesByPartition, member_ids: Sequence[UUID]) -> Wider | None:
    """What has to be loaded before members are merged or parted."""
    absent = tuple(dict.fromkeys(each for each in member_ids if not changes.is_loaded(each)))
    return Wider(LoadMembers(absent)) if absent else None


def merged(changes: ChangesByPartition, told: Merged) -> Wider | None:
    """Members are one person from now on; it stands no lower than any of them until the next evaluation."""
    survivor_id, merged_id = told.survivor_id, told.merged_ids[0]
    if (wider := missing(changes, (survivor_id, *told.merged_ids))) is not None:
        return wider
    survivor, other = changes.of_member(survivor_id), changes.of_member(merged_id)
    ladders = sorted(changes.config.ladders.values(), key=lambda ladder: ladder.code)
    highest = {
        ladder.code: max(
            _rank_at(of, ladder, each, told.merged_at) for of, each in ((survivor, survivor_id), (other, merged_id))
        )
        for ladder in ladders
    }
    _add(survivor, survivor_id, parting.parts_of(merged_id, other.entries_of(merged_id)), told.merged_at)
    for ladder in ladders:
        _keep(survivor, ladder, survivor_id, highest[ladder.code], told.merged_at)
    link = survivor.link(survivor_id)
    survivor.put_link(link._replace(merged=tuple(sorted({*link.merged, *told.merged_ids}))))
    for each in told.merged_ids:
        of_each = changes.of_member(each)
        of_each.put_link(of_each.link(each)._replace(leads_to=survivor_id, merged=()))
    return None


def _rank_at(changes: Changes, ladder: Ladder, member_id: UUID, at: datetime) -> int:
    """The rank of a member at an instant, whether or not its evaluations have run."""
    history = changes.history((member_id, ladder.code))
    standing = history[-1] if history else None
    scores = changes.known((member_id, ladder.unit)).scores
    return rules.live(ladder, rank_of(ladder, standing), due_of(ladder, standing), scores, (), at).rank


def _add(changes: Changes, member_id: UUID, parts: parting.Parts, at: datetime) -> None:
    for unit, entry in parting.entries(parts, at):
        scoring.score(changes, Score(member_id, unit, entry, takes_back=False))


def _keep(changes: Changes, ladder: Ladder, member_id: UUID, rank: int, at: datetime) -> None:
    """Let a member stand on a rank that its score may not be enough for, until the next evaluation."""
    history = changes.history((member_id, ladder.code))
    if rank_of(ladder, history[-1] if history else None) >= rank:
        return
    tally = changes.known((member_id, ladder.unit))
    since = max(at, known_until(history, tally) or at)
    score = rules.window_score(ladder, tally.scores, civil_day(since, ladder.zone))
    due = ladder.evaluation_after(since)
    changes.extend(ladder, member_id, (Step(rank, since, score, due),), due)


def unmerged(changes: ChangesByPartition, told: Unmerged) -> Wider | None:
    """A member has again what came through its accounts; both stand where what they have is enough for."""
    holder_id, member_id = told.holder_id, told.member_id
    if (wider := missing(changes, (holder_id, member_id, *told.absorbed_ids))) is not None:
        return wider
    holder, member = changes.of_member(holder_id), changes.of_member(member_id)
    absorbed = told.absorbed_ids if told.whole else ()
    sources = {*told.account_ids, *((member_id, *absorbed) if told.whole else ())}
    going = parting.from_sources(parting.parts_of(holder_id, holder.entries_of(holder_id)), sources)
    kept = parting.parts_of(member_id, member.entries_of(member_id))
    # What a merged member had kept is what it brought; one that stands on its own has what it took back before.
    coming = parting.difference(going, kept) if member.link(member_id).leads_to is not None else going
    _add(holder, holder_id, {key: -amount for key, amount in going.items()}, told.unmerged_at)
    _add(member, member_id, coming, told.unmerged_at)
    for ladder in sorted(changes.config.ladders.values(), key=lambda ladder: ladder.code):
        evaluation.look_anew_at(holder, ladder, holder_id, told.unmerged_at)
        evaluation.look_anew_at(member, ladder, member_id, told.unmerged_at)
    link = holder.link(holder_id)
    holder.put_link(link._replace(merged=tuple(each for each in link.merged if each not in (member_id, *absorbed))))
    member.put_link(member.link(member_id)._replace(leads_to=None, merged=tuple(sorted(absorbed))))
    for each in absorbed:
        of_each = changes.of_member(each)
        of_each.put_link(of_each.link(each)._replace(leads_to=member_id))
    return None
