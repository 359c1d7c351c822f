"""What tiers does when members are merged, unmerged or erased.

What they scored moves by the day, both stand where that is enough for, and IDs lead elsewhere from then on. What is
told in one partition changes all that it concerns in the others too, so that their halves have nothing left to do.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from services.tiers import rules as standing_rules
from services.tiers.merges import rules
from services.tiers.merges.values import ErasureHeard, Link, MergeHeard, Outcome, Placed, ScoreMoved, UnmergeHeard
from services.tiers.scoring import due_of
from services.tiers.state import Changes, has_ended, rank_of
from services.tiers.states import Work
from services.tiers.values import Ladder, Step


def merged(work: Work, heard: MergeHeard) -> Outcome:
    """The scores of both are one member's, who stands where they are enough for, or on the higher of their levels
    until the next evaluation."""
    survivor_id, merged_id = heard.survivor_id, heard.merged_id
    at = _after_all_that_is_known(work, (survivor_id, merged_id), heard.at)
    ladders = work.moment.config.ladders.values()
    ranks = {
        ladder.code: [_live(work.of(each), ladder, each, at) for each in (survivor_id, merged_id)] for ladder in ladders
    }
    moved = _move(work, merged_id, survivor_id, lambda source: True, at)
    placed = []
    survivor = work.of(survivor_id)
    for ladder in ladders:
        scores = survivor.known((survivor_id, ladder.unit)).scores
        step = rules.united(ladder, scores, ranks[ladder.code], _from(survivor, ladder, at))
        placed.append(_place(survivor, ladder, survivor_id, step))
        work.of(merged_id).end(ladder, merged_id, at)
    _lead(work, heard, at)
    return Outcome(moved, tuple(placed))


def unmerged(work: Work, heard: UnmergeHeard) -> Outcome:
    """What came through the accounts that go, and with `whole` what the member had of its own, is its own again; both
    stand where their own scores are enough for."""
    holder_id, member_id = heard.holder_id, heard.member_id
    at = _after_all_that_is_known(work, (holder_id, member_id), heard.at)
    going = {*heard.account_ids, *((member_id, *heard.absorbed_ids) if heard.whole else ())}
    ladders = work.moment.config.ladders.values()
    for ladder in ladders:
        for each in (holder_id, member_id):
            _live(work.of(each), ladder, each, at)
    moved = _move(work, holder_id, member_id, going.__contains__, at)
    placed = []
    for ladder in ladders:
        for each in (holder_id, member_id):
            changes = work.of(each)
            scores = changes.known((each, ladder.unit)).scores
            step = rules.recomputed(ladder, scores, _from(changes, ladder, at))
            placed.append(_place(changes, ladder, each, step))
    _lead_back(work, heard, at)
    return Outcome(moved, tuple(placed))


def erased(work: Work, heard: ErasureHeard) -> None:
    """Nobody stands anywhere any more, and nothing is scored."""
    changes = work.of(heard.member_id)
    at = _after_all_that_is_known(work, (heard.member_id,), heard.at)
    for ladder in work.moment.config.ladders.values():
        _live(changes, ladder, heard.member_id, at)
        changes.end(ladder, heard.member_id, at)
    changes.put_link(_link(changes, heard.member_id, at)._replace(is_erased=True))


def _after_all_that_is_known(work: Work, member_ids: Iterable[UUID], at: datetime) -> datetime:
    """The instant from which on scores count for another member: it takes back nothing that was reached."""
    known = [at]
    for member_id in member_ids:
        changes = work.of(member_id)
        link = changes.link(member_id)
        known += [link.since] if link is not None else []
        for unit in changes.units_of(member_id):
            last_at = changes.known((member_id, unit)).last_at
            known += [last_at] if last_at is not None else []
        for ladder in work.moment.config.ladders.values():
            known += [standing.effective_from for standing in changes.history((member_id, ladder.code))[-1:]]
            evaluated = changes.evaluation(ladder.code)
            known += [evaluated.through] if evaluated is not None else []
    return max(known)


def _from(changes: Changes, ladder: Ladder, at: datetime) -> datetime:
    """When a level holds from: where levels hold from when they are recorded, never earlier."""
    return max(at, changes.now) if ladder.rises_when_recorded else at


def _live(changes: Changes, ladder: Ladder, member_id: UUID, at: datetime) -> int:
    """Make the evaluations that were due by an instant; returns the rank that is held then."""
    history = changes.history((member_id, ladder.code))
    if not history or has_ended(history):
        return 0
    due = due_of(ladder, history[-1])
    scores = changes.known((member_id, ladder.unit)).scores
    lived = standing_rules.live(ladder, rank_of(ladder, history[-1]), due, scores, (), at)
    if lived.steps or lived.due != due:
        changes.extend(ladder, member_id, lived.steps, lived.due)
    return lived.rank


def _move(
    work: Work, giver_id: UUID, receiver_id: UUID, goes: Callable[[UUID], bool], at: datetime
) -> tuple[ScoreMoved, ...]:
    giver, receiver = work.of(giver_id), work.of(receiver_id)
    moved = []
    for unit in giver.units_of(giver_id):
        entries = giver.known((giver_id, unit)).entries or ()
        passed = rules.passed_on(entries, goes, giver_id, at)
        for entry in passed.given:
            giver.add((giver_id, unit), entry)
        for entry in passed.received:
            receiver.add((receiver_id, unit), entry)
        if passed.received:
            days = {entry.day for entry in passed.received}
            amount = sum(entry.amount for entry in passed.received)
            moved.append(ScoreMoved(unit, giver_id, receiver_id, amount, len(days)))
    return tuple(moved)


def _place(changes: Changes, ladder: Ladder, member_id: UUID, step: Step) -> Placed:
    """Let a member stand somewhere; it is told where that changes, or where it did not stand anywhere before."""
    history = changes.history((member_id, ladder.code))
    last = history[-1] if history else None
    rank = rank_of(ladder, last)
    if step.rank != rank or has_ended(history):
        changes.extend(ladder, member_id, (step,), step.due)
    elif history:
        changes.extend(ladder, member_id, (), step.due)
    return Placed(
        member_id=member_id,
        ladder=ladder.code,
        previous_level=ladder.levels[rank].code,
        level=ladder.levels[step.rank].code,
        score=step.score,
        valid_until=None if step.due is None else ladder.evaluated_at(step.due),
    )


def _link(changes: Changes, member_id: UUID, at: datetime) -> Link:
    link = changes.link(member_id)
    return Link(member_id, None, b"", at, False, b"") if link is None else link._replace(since=at)


def _lead(work: Work, heard: MergeHeard, at: datetime) -> None:
    """Let IDs lead to the survivor, and what comes to them through the accounts that came along."""
    coming = (heard.merged_id, *heard.absorbed_ids)
    survivor = work.of(heard.survivor_id)
    link = _link(survivor, heard.survivor_id, at)
    elsewhere = link.accounts_elsewhere()
    survivor.put_link(
        link.with_merged({*link.merged_ids(), *coming}).with_accounts_elsewhere(
            {account: holder for account, holder in elsewhere.items() if account not in heard.account_ids}
        )
    )
    for each in coming:
        changes = work.of(each)
        link = _link(changes, each, at)._replace(leads_to=heard.survivor_id, merged=b"")
        if each == heard.merged_id:
            link = link.with_accounts_elsewhere(
                link.accounts_elsewhere() | dict.fromkeys(heard.account_ids, heard.survivor_id)
            )
        changes.put_link(link)


def _lead_back(work: Work, heard: UnmergeHeard, at: datetime) -> None:
    """Let IDs lead to the member that stands on its own again, and what comes through its accounts."""
    leaving = (heard.member_id, *heard.absorbed_ids) if heard.whole else (heard.member_id,)
    holder, member = work.of(heard.holder_id), work.of(heard.member_id)
    link = _link(holder, heard.holder_id, at)
    holder.put_link(
        link.with_merged({*link.merged_ids()} - {*leaving}).with_accounts_elsewhere(
            link.accounts_elsewhere() | dict.fromkeys(heard.account_ids, heard.member_id)
        )
    )
    link = _link(member, heard.member_id, at)._replace(leads_to=None)
    elsewhere = link.accounts_elsewhere()
    member.put_link(
        link.with_merged({*link.merged_ids(), *leaving[1:]}).with_accounts_elsewhere(
            {account: holder for account, holder in elsewhere.items() if account not in heard.account_ids}
        )
    )
    for each in leaving[1:]:
        changes = work.of(each)
        changes.put_link(_link(changes, each, at)._replace(leads_to=heard.member_id))
