"""Conditions that must not change a day's content: the order of its inputs' rows, and DuckDB's clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakeproof.engine.duck import BOUNDED, connect, quoted
from lakeproof.engine.function import FileRows, StreamRows
from lakeproof.forms import BATCH_ROWS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from lakeproof.engine.function import Rows

CLOCKS = {
    "TIMESTAMPTZ": ("now", "current_timestamp", "get_current_timestamp", "transaction_timestamp"),
    "DATE": ("today", "current_date"),
    "TIMESTAMP": ("localtimestamp", "current_localtimestamp"),
    "TIME": ("localtime", "current_localtime"),
    "TIMETZ": ("current_time", "get_current_time"),
}
"""DuckDB's clocks, by what they tell. Written without parentheses, they call the same names."""

FILES = 3
"""Into how many files shuffled rows are written: enough that rows change files, too."""


def set_clock(connection: duckdb.DuckDBPyConnection, at: datetime) -> None:
    """Let a connection's SQL see another clock.

    DuckDB reads the time from the operating system, which no library fakes from Python; but a macro of the same name
    is found before its own function.

    Args:
        connection: The connection, whose zone is UTC.
        at: What its clocks shall tell, with a zone.
    """
    for kind, names in CLOCKS.items():
        for name in names:
            value = f"CAST(TIMESTAMPTZ '{at.isoformat()}' AS TIMESTAMP)"
            told = f"TIMESTAMPTZ '{at.isoformat()}'" if kind == "TIMESTAMPTZ" else f"CAST({value} AS {kind})"
            connection.execute(f"CREATE OR REPLACE MACRO {name}() AS {told}")


def reversed_rows(rows: Rows, folder: Path) -> Rows:
    """Return an input's rows in the opposite order: of any two, the last comes first.

    Args:
        rows: The input.
        folder: Where files are written; they are needed for as long as the rows are.
    """
    return _ordered(rows, folder, "_place DESC", ["true"])


def shuffled_rows(rows: Rows, folder: Path, seed: int) -> Rows:
    """Return an input's rows in another order, within and across files.

    Args:
        rows: The input.
        folder: Where files are written; they are needed for as long as the rows are.
        seed: The same seed gives the same order.
    """
    place = f"hash(_place * 1_000_003 + {seed})"
    return _ordered(rows, folder, place, [f"{place} % {FILES} = {part}" for part in range(FILES)])


def _ordered(rows: Rows, folder: Path, by: str, parts: list[str]) -> Rows:
    """Return the same rows, written by DuckDB as files of the same form, or as one stream."""
    if not isinstance(rows, FileRows):
        return StreamRows(lambda: _stream(rows, by))
    if not rows.paths:
        return rows
    connection = connect(BOUNDED)
    rows.relation(connection).create_view("stored_rows")
    ids = ", ".join(f"{quoted(column.name)}: {number}" for number, column in rows.columns.items())
    paths = []
    for part in parts:
        path = folder / f"{len(list(folder.iterdir()))}.parquet"
        connection.execute(
            f"COPY ({_placed('stored_rows', by, part)}) "
            f"TO {quoted(str(path), text=True)} (FORMAT parquet, FIELD_IDS {{{ids}}})"
        )
        paths.append(str(path))
    return replace(rows, paths=tuple(paths))


def _stream(rows: Rows, by: str) -> pa.RecordBatchReader:
    connection = connect(BOUNDED)
    rows.relation(connection).create_view("stored_rows")
    return connection.sql(_placed("stored_rows", by, "true")).to_arrow_reader(BATCH_ROWS)


def _placed(view: str, by: str, part: str) -> str:
    placed = f"SELECT *, row_number() OVER () AS _place FROM {view}"  # noqa: S608 - a name of this module
    return f"SELECT * EXCLUDE (_place) FROM ({placed}) WHERE {part} ORDER BY {by}"  # noqa: S608 - as above
