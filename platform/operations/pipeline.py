"""What the tables about operations have in common: their days are days of the clock, in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from lakeproof import Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakeproof import Table

TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "date": pl.Date,
    "string": pl.String,
    "int": pl.Int32,
    "long": pl.Int64,
    "double": pl.Float64,
    "boolean": pl.Boolean,
    "timestamptz": pl.Datetime("us", "UTC"),
}

operations = Pipeline("operations", start="2026-11-01", owner="team:data-platform")


def frame(table: Table, rows: Iterable[tuple[object, ...]]) -> pl.DataFrame:
    """Return rows of a table, in the order of its columns; there may be none.

    Args:
        table: The table.
        rows: The rows.
    """
    schema = {column.name: TYPES[column.type] for column in table.columns}
    return pl.DataFrame(list(rows), schema=schema, orient="row")
