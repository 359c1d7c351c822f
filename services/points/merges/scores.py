"""What merged members score for what they did before counts for their survivor."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.chassis.operations import Moment
from services.points import events
from services.points.documents import PointsConfig
from services.points.state import PointsState


def tell_survivor(
    state: PointsState, member_id: UUID, scores: Iterable[tuple[str, datetime, int]], moment: Moment[PointsConfig]
) -> None:
    """Tell of scores (unit, when they counted, how much) that were booked to a member which was merged."""
    survivor_id = state.link(member_id).leads_to
    if survivor_id is not None:
        for unit, at, amount in scores:
            state.elsewhere(survivor_id).tell(events.score_moved(survivor_id, unit, {at: amount}, moment.at))
