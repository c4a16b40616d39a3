"""What the tests of schema changes share: readings with other columns, and what each reader sees of them."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from lakeproof import Column, audit
from lakeproof.reading import TableReader

if TYPE_CHECKING:
    from lakeproof import Table


COLUMNS = (
    Column("reading_date", "date"),
    Column("sensor", "string", "Who measured."),
    Column("value", "int"),
    Column("ratio", "float"),
    Column("price", "decimal(6, 2)"),
)


ROW = {"sensor": "a", "value": 1, "ratio": 0.5, "price": Decimal("1.25")}


def declare(lab: Any, *columns: Column, **changes: Any) -> Table:
    """Declare the readings with other columns."""
    return lab.table(**{"columns": columns, "key": [], "audits": [audit.row_count(at_most=3)], **changes})


def but(column: str, /, **changes: Any) -> list[Column]:
    """Return the columns with one of them changed."""
    return [dataclasses.replace(c, **changes) if c.name == column else c for c in COLUMNS]


def frame(lab: Any, table: Table, number: int, **values: Any) -> pl.DataFrame:
    """Return one row of a day, with a value for each column of the table."""
    row = {"reading_date": lab.day(number), **values}
    return pl.DataFrame({column.name: [row.get(column.name)] for column in table.columns}).with_columns(
        pl.col(column.name).cast(pl.Decimal(12, 2)) for column in table.columns if column.type.startswith("decimal")
    )


def ids(lab: Any) -> dict[str, int]:
    """Return the stored columns' field ids."""
    return {field.name: field.field_id for field in lab.stored().schema().fields}


def seen(lab: Any, table: Table) -> list[list[dict[str, Any]]]:
    """Return the rows, in order of days, as each reader sees them."""
    window = table.window(lab.day(1), lab.day(9))
    files = TableReader.open(lab.lakehouse.lake, table.last(days=1), [window]).rows(window)
    lazy = files.frame()
    frames = [
        pl.DataFrame(lab.stored().scan().to_arrow()),
        pl.scan_iceberg(lab.stored()).collect(),
        lab.lakehouse.read(table),
        lazy.collect(),
        lazy.filter(pl.col("reading_date") >= lab.day(1)).collect(engine="streaming"),
    ]
    assert all(found.columns == list(table.column_names) for found in frames)
    return [found.sort("reading_date").to_dicts() for found in frames]


CHANGES: dict[str, tuple[list[Column], dict[str, Any], dict[str, Any]]] = {
    "add": ([*COLUMNS, Column("unit", "string")], {**ROW, "unit": None}, {**ROW, "unit": "m"}),
    "add first": ([Column("unit", "long"), *COLUMNS], {**ROW, "unit": None}, {**ROW, "unit": 2}),
    "widen int": (but("value", type="long"), ROW, {**ROW, "value": 2**40}),
    "widen float": (but("ratio", type="double"), ROW, {**ROW, "ratio": 0.1}),
    "widen decimal": (but("price", type="decimal(12,2)"), ROW, {**ROW, "price": Decimal("123456789.25")}),
    "rename": (
        but("sensor", name="device", renamed_from="sensor"),
        {**{k: v for k, v in ROW.items() if k != "sensor"}, "device": "a"},
        {**{k: v for k, v in ROW.items() if k != "sensor"}, "device": "b"},
    ),
    "rename and widen": (
        but("value", name="level", type="long", renamed_from="value"),
        {**{k: v for k, v in ROW.items() if k != "value"}, "level": 1},
        {**{k: v for k, v in ROW.items() if k != "value"}, "level": 2**40},
    ),
    "describe": (but("sensor", description="What measured."), ROW, ROW),
    "order": (list(reversed(COLUMNS)), ROW, {**ROW, "value": 7}),
    "all at once": (
        [
            Column("unit", "string"),
            *but("price", name="cost", type="decimal(12, 2)", renamed_from="price", description="In euros."),
        ],
        {**{k: v for k, v in ROW.items() if k != "price"}, "unit": None, "cost": Decimal("1.25")},
        {**{k: v for k, v in ROW.items() if k != "price"}, "unit": "m", "cost": Decimal("123456789.25")},
    ),
}
