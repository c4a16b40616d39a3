"""What tests of tables need: upstream days, put where the table will look for them; proof that only they decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from lakeproof import audit
from lakeproof.engine.cast import arrow_schema
from lakeproof.engine.function import FunctionMaker
from lakeproof.errors import UsageError
from lakeproof.idempotence import assert_idempotent
from lakeproof.wap import write_audit_publish
from lakeproof.window import Window
from lakeproof.work import Work, base_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.contract import Table
    from lakeproof.lakehouse import Lakehouse

__all__ = ["assert_idempotent", "given"]

Rows = pl.DataFrame | list[dict[str, Any]]


def given(lakehouse: Lakehouse, table: Table, rows: Rows | Sequence[Mapping[str, Any]]) -> None:
    """Publish rows as a table's days without its audits, in a test's lake only.

    Columns that are left out are null. A daily table's days are those that occur in the rows; what was published for
    them before is replaced.

    Args:
        lakehouse: A lake made by `Lakehouse.in_memory()`.
        table: The table.
        rows: The rows, as dictionaries or as a frame.

    Raises:
        UsageError: The lake is not a test's.
        RowsError: The rows do not fit the contract.
    """
    if not lakehouse.is_temporary:
        msg = f"given() would publish {table.name} without its audits into {lakehouse.lake.where}."
        raise UsageError(msg, next_step="use Lakehouse.in_memory(); a real lake has one path in, and it has audits")
    schema = pl.DataFrame(arrow_schema(table.columns).empty_table()).schema
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), schema=_partial(schema, rows))
    day = table.partition
    if day is not None and frame.height and (day not in frame or frame[day].null_count()):
        msg = f"given(): each row of {table.name} needs {day!r}, the day that it belongs to."
        raise UsageError(msg, next_step=f"give every row a date as {day!r}")
    for name, dtype in schema.items():
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype).alias(name))
    # The one place where a table may be published without its audits.
    everything = audit.row_count(at_least=0)
    lenient = table._but(audits=[everything], allow_empty=True, write="replace", absent="keep")  # noqa: SLF001
    days = (None,) if table.partition is None else tuple(sorted(frame[table.partition].unique().to_list()))

    def rows_of(window: Window | None) -> pl.DataFrame:
        if window is None or table.partition is None:
            return frame
        return frame.filter(pl.col(table.partition).is_between(window.first, window.last))

    maker = FunctionMaker(rows_of, {"window": Window})
    write_audit_publish(
        lakehouse.lake,
        Work(table=lenient, maker=maker, readers={}, days=days, base=base_of(lakehouse.lake, lenient, days)),
    )


def _partial(schema: pl.Schema, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the types of the columns that the rows have; one that the table does not know has any."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: schema.get(name) for name in names}
