"""A side of a comparison: a table on `main` or an output, at a snapshot, some of its days; or files of anyone's."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from lakeproof.engine.duck import connect, files_relation, quoted
from lakeproof.errors import UnknownDayError, UnknownTableError, UsageError, did_you_mean
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.evidence import live_content
from lakeproof.lake.live import LiveDay, View, files_at, live_days
from lakeproof.lake.output import MAIN, OutputTable
from lakeproof.lake.schema import columns_by_id
from lakeproof.parts import Column
from lakeproof.window import as_day

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.verdict import Content

FILE_ENDINGS = (".parquet", ".csv", ".csv.gz")
TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "int",
    "SMALLINT": "int",
    "UTINYINT": "int",
    "USMALLINT": "int",
    "UINTEGER": "long",
    "INTEGER": "int",
    "BIGINT": "long",
    "FLOAT": "float",
    "DOUBLE": "double",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "VARCHAR": "string",
    "UUID": "uuid",
    "BLOB": "binary",
}
"""What DuckDB calls the types of files, in Iceberg's names; decimals keep their digits, others are compared as text."""


@dataclass(frozen=True)
class Opened:
    """A side, opened: what it has, before a row is read.

    Args:
        name: How a person names it.
        columns: Its columns, by field id where they have one.
        days: Its days, as far as they were asked for; one called None where there are none.
        partition: The column that says which day a row is of; None where there is none.
        key: The columns that identify a row, as the table says.
        snapshot: The snapshot; None for files.
        table: The Iceberg table; None for files.
        pinned: Whether the snapshot was asked for, and is not just the newest.
        files: The files of a side that is no table.
        lineage: What sides share whose field ids mean the same columns; None where columns go by name.
    """

    name: str
    columns: Mapping[int, Column]
    days: Mapping[Day, LiveDay]
    partition: str | None = None
    key: tuple[str, ...] = ()
    snapshot: int | None = None
    table: IcebergTable | None = None
    pinned: bool = False
    files: tuple[str, ...] = ()
    lineage: str | None = None

    @property
    def version(self) -> tuple[str, str | int] | None:
        """The table and the branch or snapshot by which other engines read this side; None for files."""
        if self.table is None:
            return None
        name = ".".join(self.table.name())
        if self.pinned:
            return name, self.snapshot or 0
        if not isinstance(self.table, OutputTable) or self.table.head is None:
            return name, MAIN
        return self.table.line_name, self.table.branch

    def content(self, day: Day) -> Content | None:
        """Return the content digest of a day that is on record; None where there is none."""
        return live_content(self.table, self.days[day]) if self.table is not None else None

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(live.rows for live in self.days.values())

    def relation(self, connection: duckdb.DuckDBPyConnection, days: Collection[Day]) -> duckdb.DuckDBPyRelation:
        """Return the rows of some of its days."""
        if self.files:
            return _files(connection, self.files)
        paths = [path for day in days if day in self.days for path in self.days[day].paths]
        return files_relation(connection, self.columns, paths, self.table.io if self.table else None)

    def only(self, first: date | None, last: date | None) -> Opened:
        """Return the same with the days of a range alone."""
        if first is None or last is None or self.partition is None:
            return self
        return replace(self, days={day: live for day, live in self.days.items() if day and first <= day <= last})


def own_days(side: Opened) -> Opened:
    """Return an output's side with the days of its own alone.

    Raises:
        UsageError: It has none in this table.
    """
    assert isinstance(side.table, OutputTable)  # noqa: S101 - the caller opened it on an output
    days = {day: live for day, live in side.days.items() if day in side.table.owned}
    if not days:
        msg = f"Output {side.table.output} has no day of {'.'.join(side.table.name())} of its own."
        raise UsageError(msg, next_step=f"lakeproof status --output {side.table.output}")
    return replace(side, days=days)


def open_side(lake: Lake, text: str, output: str | None) -> Opened:
    """Open a side as a person names it.

    Args:
        lake: The lake, on the output that is meant where the text names a table.
        text: `TABLE`, `TABLE@DAY`, `TABLE#SNAPSHOT`, `TABLE@DAY#SNAPSHOT`, or Parquet or CSV files.
        output: What to call the side; None to call it as it is written.

    Raises:
        UsageError: There is no such table, day, snapshot or file.
    """
    if text.lower().endswith(FILE_ENDINGS):
        return open_files(text)
    rest, _, snapshot = text.partition("#")
    name, _, day = rest.partition("@")
    table = lake.find(name)
    if table is None:
        hint = did_you_mean(name, lake.tables())
        msg = f"There is no table {name!r} in the lake at {lake.where}. {hint}"
        raise UnknownTableError(msg, next_step="name a table, or a file that ends with .parquet or .csv")
    shown = output if output is not None and not snapshot else text
    opened = _at_snapshot(table, int(snapshot) if snapshot.isdigit() else 0, shown) if snapshot else _live(table, shown)
    if not day:
        return opened
    if as_day(day) not in opened.days:
        msg = f"{shown if '@' in shown else f'{shown}: {name}@{day}'} is not there."
        raise UnknownDayError(msg, next_step=f"lakeproof show {name} says which days there are")
    return replace(opened, days={as_day(day): opened.days[as_day(day)]})


def _live(table: IcebergTable, name: str) -> Opened:
    view = View.of(table)
    return _of_table(table, name, columns_of(table), view.days, view.snapshot)


def _at_snapshot(table: IcebergTable, snapshot: int, name: str) -> Opened:
    found = table.metadata.snapshot_by_id(snapshot)
    if found is None:
        kept = ", ".join(str(s.snapshot_id) for s in table.metadata.snapshots[-5:])
        msg = f"{name}: the table has no such snapshot any more. The newest that it keeps: {kept}."
        raise UsageError(msg, next_step="name one of these after the #")
    schema = next((s for s in table.metadata.schemas if s.schema_id == found.schema_id), table.schema())
    days = live_days(files_at(table.io, found, None))
    return replace(_of_table(table, name, columns_by_id(schema), days, snapshot), pinned=True)


def _of_table(
    table: IcebergTable,
    name: str,
    columns: Mapping[int, Column],
    days: Mapping[Day, LiveDay],
    snapshot: int | None,
) -> Opened:
    fields = table.spec().fields
    key = tuple(part for part in table.properties.get("lakeproof.key", "").split(",") if part)
    return Opened(
        name,
        columns,
        days,
        partition=columns[fields[0].source_id].name if fields and fields[0].source_id in columns else None,
        key=key,
        snapshot=snapshot,
        table=table,
        lineage=table.location(),
    )


def open_files(text: str) -> Opened:
    """Open Parquet or CSV files as a side; all of them at once.

    Raises:
        UsageError: There is none, or they cannot be read as rows.
    """
    found = sorted(glob.glob(text)) if any(mark in text for mark in "*?[") else [text]  # noqa: PTH207 - absolute, too
    paths = tuple(path for path in found if Path(path).is_file())
    if not paths:
        msg = f"There is no file {text}."
        raise UsageError(msg, next_step="name a file, or a pattern in quotes: 'old/*.parquet'")
    try:
        relation = _files(connect(), paths)
        rows = int(relation.count("*").fetchall()[0][0])
    except duckdb.Error as error:
        msg = f"{text} cannot be read: {str(error).splitlines()[0]}"
        raise UsageError(msg) from error
    told: list[tuple[str, Any]] = list(zip(relation.columns, relation.types, strict=True))
    columns = {number: Column(name, _type(str(kind)) or "string") for number, (name, kind) in enumerate(told, 1)}
    size = sum(Path(path).stat().st_size for path in paths)
    return Opened(text, columns, {None: LiveDay(None, paths, rows, size)}, files=paths)


def _files(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> duckdb.DuckDBPyRelation:
    rows = connection.sql(f"SELECT * FROM {scan_of(paths)}")  # noqa: S608 - quoted
    return rows.project(
        ", ".join(
            f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}" if _type(str(kind)) is None else quoted(name)
            for name, kind in zip(rows.columns, rows.types, strict=True)
        )
    )


def scan_of(paths: Sequence[str]) -> str:
    """Return the call by which DuckDB reads files of one kind, which the ending of the first tells."""
    listed = ", ".join(quoted(path, text=True) for path in paths)
    reader = "read_parquet" if paths[0].lower().endswith(".parquet") else "read_csv"
    return f"{reader}([{listed}], union_by_name = true)"


def _type(kind: str) -> str | None:
    """Return Iceberg's name of a type of DuckDB's; None where there is none."""
    if decimal := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return f"decimal({decimal[1]}, {decimal[2]})"
    return TYPES.get(kind)
