"""What a score does to the standings of its member: it acts after all that is known or, learnt late, in its middle."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from services.chassis.civil import civil_day
from services.tiers import rules
from services.tiers.events import HeardOfPoints, Reversed, Scored, TakenBack
from services.tiers.state import Changes, rank_of
from services.tiers.tally import MemberUnit, Score, Tally
from services.tiers.values import Config, Entry, Evaluated, Ladder, Standing, Step


def scores_in(heard: Iterable[HeardOfPoints], config: Config) -> list[Score]:
    """The scores in one record of the points feed, in order.

    What is taken back counts on the day on which it was given, so that it cancels that out in every window, and acts
    from when it is taken back.
    """
    events = list(heard)
    counted: dict[bytes, Reversed] = {}
    for event in events:
        if isinstance(event, Reversed) and (event.completed_units or event.activity_id not in counted):
            counted[event.activity_id] = event
    scores = []
    for event in events:
        match event:
            case Scored(member_id, at, amounts, account_id):
                for unit, amount in amounts:
                    entry = Entry(at, civil_day(at, config.zone_of(unit)), amount, account_id)
                    scores.append(Score(member_id, unit, entry, takes_back=False))
            case TakenBack(member_id, unit, amount, at, activity_id, account_id):
                given = counted.get(activity_id)
                counted_at = given.counted(unit) if given is not None else at
                day = civil_day(counted_at, config.zone_of(unit))
                scores.append(Score(member_id, unit, Entry(at, day, amount, account_id), takes_back=True))
    return scores


def score(changes: Changes, heard: Score) -> None:
    """Let a score count, and act on every ladder that its unit counts for."""
    key = (heard.member_id, heard.unit)
    tally = changes.tally(key)
    if heard.takes_back and heard.entry.day not in tally.rows:
        return
    link = changes.link(heard.member_id)
    # What is learnt after a merge or an unmerge about the time before acts from then on.
    entry = heard.entry if link is None else _no_earlier(heard.entry, link.since)
    ladders = changes.config.by_unit.get(heard.unit, ())
    if entry.amount < 0:
        # What lowers a score acts after all that is known: it takes no standing back that was reached.
        entry = _no_earlier(entry, tally.last_at)
        for ladder in ladders:
            entry = _no_earlier(entry, known_until(changes.history((heard.member_id, ladder.code)), tally))
    for ladder in ladders:
        _act(changes, ladder, key, tally, entry)
    changes.add(key, entry)


def _act(changes: Changes, ladder: Ladder, key: MemberUnit, tally: Tally, entry: Entry) -> None:
    history = changes.history((key[0], ladder.code))
    evaluated = changes.evaluation(ladder.code)
    known = known_until(history, tally)
    entry = _no_earlier(entry, _earliest(changes, ladder, evaluated, known))
    if known is None or entry.at >= known:
        _go_on(changes, ladder, key, tally, entry, evaluated)
    else:
        _live_again(changes, ladder, key, tally, entry, evaluated)


def _no_earlier(entry: Entry, at: datetime | None) -> Entry:
    return entry if at is None or entry.at >= at else entry._replace(at=at)


def known_until(history: Sequence[Standing], tally: Tally) -> datetime | None:
    """The last instant of which something is known that an entry could contradict."""
    if not history:
        return tally.last_at
    since = history[-1].effective_from
    return since if tally.last_at is None or tally.last_at < since else tally.last_at


def _earliest(changes: Changes, ladder: Ladder, evaluated: Evaluated | None, known: datetime | None) -> datetime | None:
    """The earliest instant at which an entry may act on a ladder; None when that is its own time, whenever it was.

    A ladder whose levels hold from when they are recorded is never changed in the past. No ladder is changed before the
    first evaluation by its present definition: there another one decided, or none.
    """
    if ladder.rises_when_recorded:
        return changes.now if known is None else max(changes.now, known)
    if evaluated is None:
        return None
    return evaluated.since if evaluated.fingerprint == ladder.fingerprint else known


def _go_on(
    changes: Changes, ladder: Ladder, key: MemberUnit, tally: Tally, entry: Entry, evaluated: Evaluated | None
) -> None:
    """The entry acts after everything that is known."""
    history = changes.history((key[0], ladder.code))
    standing = history[-1] if history else None
    rank = rank_of(ladder, standing)
    until = entry.at if evaluated is None else max(entry.at, evaluated.through)
    if rules.stays(ladder, rank, standing.valid_until if standing else None, tally.scores, entry, until):
        return
    due = due_of(ladder, standing)
    lived = rules.live(ladder, rank, due, tally.scores, (entry,), until)
    if lived.steps or lived.due != due:
        changes.extend(ladder, key[0], lived.steps, lived.due)


def _live_again(
    changes: Changes, ladder: Ladder, key: MemberUnit, tally: Tally, entry: Entry, evaluated: Evaluated | None
) -> None:
    """The entry acts before something that is known: from its time on, the standing is lived again."""
    member_id = key[0]
    history = changes.history((member_id, ladder.code))
    begun = sum(standing.effective_from <= entry.at for standing in history)
    rank = rank_of(ladder, history[begun - 1] if begun else None)
    before, later = _parted(tally, entry.at)
    known = [e.at for e in later[-1:]] + [s.effective_from for s in history[-1:]]
    until = max([entry.at, *known, *([evaluated.through] if evaluated else [])])
    due = ladder.evaluation_after(entry.at) if rank else None
    lived = rules.live(ladder, rank, due, before, (entry, *later), until)
    recorded = [Step(rank_of(ladder, s), s.effective_from, s.score, None) for s in history[begun:]]
    difference = rules.difference(recorded, lived.steps)
    if difference is None:
        return
    changes.take_back(ladder, member_id, begun + difference.kept)
    next_step = difference.steps[0].effective_from if difference.steps else None
    if next_step is None or next_step > difference.from_instant:
        ends = ladder.evaluated_at(lived.due) if next_step is None and lived.due is not None else next_step
        changes.restate(ladder, member_id, difference.from_instant, ends)
    changes.extend(ladder, member_id, difference.steps, lived.due)


def _parted(tally: Tally, at: datetime) -> tuple[dict[date, int], list[Entry]]:
    """What was scored by an instant, by day, and the entries after it, in order."""
    assert tally.entries is not None, "a late entry needs the entries that it comes before"
    before: dict[date, int] = {}
    for entry in tally.entries:
        if entry.at <= at:
            before[entry.day] = before.get(entry.day, 0) + entry.amount
    return before, sorted((entry for entry in tally.entries if entry.at > at), key=_order)


def _order(entry: Entry) -> tuple[datetime, bool, date, int]:
    """Of entries at one instant, those that lower a score come last: so no level is lost that was reached."""
    return entry.at, entry.amount < 0, entry.day, entry.amount


def due_of(ladder: Ladder, standing: Standing | None) -> date | None:
    """The day of the first evaluation that a standing may not survive."""
    if standing is None or standing.valid_until is None:
        return None
    return ladder.evaluation_from(civil_day(standing.valid_until, ladder.zone))
