"""Inputs, each opened at one snapshot, recorded, and filtered to its window before anyone sees a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lakeproof.audit.content import (
    CONTENT_KEY,
    SPARK_CONTENT_KEY,
    algorithm_of,
    content_key,
    digest_rows,
    empty_content,
)
from lakeproof.cost.meter import count
from lakeproof.engine.duck import BOUNDED, connect, files_relation, quoted
from lakeproof.engine.function import FileRows
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.days import day_key
from lakeproof.lake.evidence import live_content
from lakeproof.lake.live import View
from lakeproof.lake.schema import columns_by_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import duckdb
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.audit.kinds import References
    from lakeproof.contract import Input, Table
    from lakeproof.engine.function import Rows
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay
    from lakeproof.lake.stage import Staged
    from lakeproof.parts import Column
    from lakeproof.verdict import Content
    from lakeproof.window import Window


class Reader(Protocol):
    """An input, opened."""

    def rows(self, window: Window | None) -> Rows:
        """Return what the days of `window` may read."""

    def record(self) -> dict[str, Any]:
        """Return what was opened, for the evidence."""


@dataclass
class TableReader:
    """A table as an input, at one snapshot.

    Args:
        input: How it is read.
        view: The published days that the whole run needs.
    """

    input: Input
    view: View
    staged: Staged | None = None

    @classmethod
    def open(cls, lake: Lake, how: Input, windows: Sequence[Window]) -> TableReader:
        """Open an input for all windows of a run at once."""
        if how.kind == "latest":
            return cls(how, View.open(lake, how.table))
        needed = {day for window in windows if (w := how.window(window)) is not None for day in w.days}
        return cls(how, View.open(lake, how.table, needed))

    def rows(self, window: Window | None) -> FileRows:
        """Return the files of exactly the days that `window` may read."""
        days = self.days(window)
        count(read=sum(map(self._bytes, days)))
        return rows_in(self.view, self.input.table, [path for day in days for path in self._paths(day)])

    def days(self, window: Window | None) -> Sequence[Day]:
        """Return the days that `window` may read: published ones, and days that are not there."""
        if window is None or self.input.kind == "latest":
            return tuple(self.view.days)
        needed = self.input.window(window)
        return needed.days if needed else ()

    def build_on(self, table: IcebergTable, staged: Staged) -> None:
        """Read these staged days of the table itself instead of published ones.

        Args:
            table: The table, which was perhaps not there when the input was opened.
            staged: Its days so far.
        """
        self.staged = staged
        if self.view.table is None:
            self.view = View(table, None)

    def _paths(self, day: Day) -> tuple[str, ...]:
        if self.staged is not None and day in self.staged.files:
            return self.staged.paths(day)
        return self.view.days[day].paths if day in self.view.days else ()

    def _bytes(self, day: Day) -> int:
        if self.staged is not None and day in self.staged.files:
            return self.staged.bytes(day)
        return self.view.days[day].bytes if day in self.view.days else 0

    def record(self) -> dict[str, Any]:
        """Return the table, how it was read, the snapshot, and the content and run of each day that was read from it.

        Days that a chain read from its own stage are not among them: their digests are the run's verdicts.
        """
        staged = self.staged.files if self.staged is not None else {}
        read = {day: live for day, live in self.view.days.items() if day not in staged}
        contents = contents_of(View(self.view.table, self.view.snapshot, read))
        return {
            "table": self.input.table.name,
            "kind": self.input.kind,
            "trailing_days": self.input.days,
            "snapshot": self.view.snapshot,
            "days": {day_key(day): vars(content) | {"run": read[day].run} for day, content in contents.items()},
        }


def contents_of(view: View) -> dict[Day, Content]:
    """Return what each day in a view is told by: the content digest in its evidence, over the columns it was made with.

    It is computed anew only where the evidence has none of an algorithm of today. To compare days, use `content_of`.
    """
    return {
        day: _recorded(view, live, CONTENT_KEY) or _recorded(view, live, SPARK_CONTENT_KEY) or content_of(view, live)
        for day, live in view.days.items()
    }


def content_of(view: View, live: LiveDay, columns: Mapping[int, Column] | None = None) -> Content:
    """Return a published day's content digest over some columns, as DuckDB digests them.

    It is that of the day's evidence, or computed when that is of another key: of another algorithm or other columns.

    Args:
        view: The table.
        live: The day.
        columns: The columns by field id; by default those that the table has now.
    """
    assert view.table is not None  # noqa: S101 - a view with a day has a table
    columns = columns_of(view.table) if columns is None else columns
    return _recorded(view, live, content_key(columns.values())) or digest_files(columns, live, view.table.io)


def content_beside(view: View, live: LiveDay, staged: Staged, content: Content) -> Content:
    """Return a published day's content digest as that of the day that is staged for it can be compared with.

    Where Spark digested the stage and not what is published, both are digested here: digests of two algorithms say
    nothing about each other.

    Args:
        view: The table.
        live: The published day.
        staged: The stage.
        content: The digest of the staged day, over the stage's columns.
    """
    recorded = _recorded(view, live, content.key)
    if recorded is not None or algorithm_of(content.key) == CONTENT_KEY:
        return recorded or content_of(view, live, staged.columns)
    assert view.table is not None  # noqa: S101 - a view with a day has a table
    published = content_of(view, live, staged.columns)
    beside = digest_paths(staged.columns, staged.paths(live.day), view.table.io)
    return content if published == beside else published


def _recorded(view: View, live: LiveDay, key: str) -> Content | None:
    assert view.table is not None  # noqa: S101 - a view with a day has a table
    recorded = live_content(view.table, live)
    return recorded if recorded is not None and f"{recorded.key}/".startswith(f"{key}/") else None


def digest_files(columns: Mapping[int, Column], live: LiveDay, io: FileIO) -> Content:
    """Compute a published day's content digest from its files."""
    return empty_content(columns.values()) if live.rows == 0 else digest_paths(columns, live.paths, io)


def digest_paths(columns: Mapping[int, Column], paths: Sequence[str], io: FileIO) -> Content:
    """Compute the content digest of files that are all of one day."""
    connection, names = connect(BOUNDED), [column.name for column in columns.values()]
    rows = files_relation(connection, columns, paths, io)
    return digest_rows(names, connection, rows, content_key(columns.values()))


def columns_digested(table: IcebergTable, key: str) -> dict[int, Column] | None:
    """Return the columns, of those that a table ever had, that a content digest of a key is over; None when none is.

    Args:
        table: The Iceberg table.
        key: The digest's key, of an algorithm that this installation computes.
    """
    schemas = [table.schema(), *table.metadata.schemas]
    known = ((columns, content_key(columns.values())) for columns in map(columns_by_id, schemas))
    return next((columns for columns, told in known if told == key), None)


def read_table(lake: Lake, table: Table, days: Sequence[Day] | None = None) -> FileRows:
    """Return published rows of a table: all, or those of some days."""
    view = View.open(lake, table, days)
    return rows_in(view, table, [path for live in view.days.values() for path in live.paths])


def rows_in(view: View, table: Table, paths: Sequence[str]) -> FileRows:
    """Return files of a table as rows; one that was never staged has none, and the contract's columns."""
    if view.table is None:
        return FileRows(dict(enumerate(table.columns, start=1)), (), None)
    return FileRows(columns_of(view.table), tuple(paths), view.table.io)


@dataclass(frozen=True)
class Referred:
    """A column of another table that an audit refers to, at one snapshot.

    Args:
        table: The other table's name.
        column: The column.
        view: What was published of it, of the days that matter.
    """

    table: str
    column: str
    view: View

    @classmethod
    def open(cls, lake: Lake, audit: References, days: Sequence[date]) -> Referred | None:
        """Open what an audit refers to; None when that table does not exist.

        Args:
            lake: The lake.
            audit: The audit.
            days: The staged days; a daily table is read on the same ones, another as a whole.
        """
        table = lake.find(audit.table) if audit.contract is None else lake.load(audit.contract)
        if table is None:
            return None
        return cls(audit.table, audit.column, View.of(table, days if table.spec().fields else None))

    def relation(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """Return the values as `_value`, each with the day it is of as `_of_day`, or null for any day."""
        assert self.view.table is not None  # noqa: S101 - opened from a table
        paths = [path for live in self.view.days.values() for path in live.paths]
        columns = columns_of(self.view.table)
        rows = files_relation(connection, columns, paths, self.view.table.io)
        days = [columns[field.source_id].name for field in self.view.table.spec().fields]
        day = quoted(days[0]) if days else "NULL::DATE"
        return rows.project(f"{quoted(self.column)} AS _value, {day} AS _of_day")

    def record(self) -> dict[str, Any]:
        """Return the table, the column, the snapshot, and the content digest of each day."""
        return {
            "table": self.table,
            "column": self.column,
            "snapshot": self.view.snapshot,
            "days": {day_key(day): vars(content) for day, content in contents_of(self.view).items()},
        }
