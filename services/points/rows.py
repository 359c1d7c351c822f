"""Values as rows: what a table has of a hold, a spend and what else uses lots, in the table's order."""

from operator import attrgetter

import sqlalchemy as sa

from services.points import tables


def _row_of(table: sa.Table) -> "attrgetter[tuple[object, ...]]":
    """What takes from a value all that its table has columns for, which are named like its fields."""
    return attrgetter(*(column.name for column in table.columns if column.name != "partition"))


HOLD = _row_of(tables.HOLDS)
SPEND = _row_of(tables.SPENDS)
POOLED_SPEND = _row_of(tables.POOLED_SPENDS)
GIFT = _row_of(tables.GIFTS)
ADJUSTMENT = _row_of(tables.ADJUSTMENTS)
CLAWBACK = _row_of(tables.CLAWBACKS)
MOVEMENT = _row_of(tables.MOVEMENTS)
PARTNER_CONVERSION = _row_of(tables.PARTNER_CONVERSIONS)
