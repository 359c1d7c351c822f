"""Rows that are values have the columns of their tables."""

from services.points.tables import METADATA
from services.points.values import Account, ActivityRow, Lot


def test_values_that_are_rows_have_the_columns_of_their_tables_in_order() -> None:
    for table, row in (("accounts", Account), ("activities", ActivityRow), ("lots", Lot)):
        columns = [column.name for column in METADATA.tables[table].columns]
        assert columns == ["partition", *row._fields]
