"""DuckDB in this process: private connections, and a table's files as a relation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from lakeproof.engine.cast import arrow_schema
from lakeproof.engine.remote import reach

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyiceberg.io import FileIO

    from lakeproof.parts import Column

DUCK_TYPES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "string": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
}


BOUNDED = "384MiB"
"""Memory for what the platform itself does with rows: audits, digests, sorting. What needs more spills to disk."""


BY_STATISTICS = "statistics_propagation"
"""Parquet's bounds of a column leave NaN out, as its format says; DuckDB 2.0 believes them all the same, and takes
`v <= 100` for true of every row of a file whose highest number is 90."""


def connect(memory: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open a private, in-memory DuckDB.

    It fetches no extension, sees no variable of Python by name, has UTC as its zone, and spills to a temporary folder.

    Args:
        memory: The most it may hold, such as `BOUNDED`; None for DuckDB's own default, most of the machine's.
    """
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "allow_community_extensions": False})
    spill = quoted(str(Path(tempfile.gettempdir()) / "lakeproof-spill"), text=True)
    connection.execute(
        "SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET python_enable_replacements = false; "
        f"SET temp_directory = {spill}; SET disabled_optimizers = '{BY_STATISTICS}'"
    )
    if memory is not None:
        connection.execute(f"SET memory_limit = {quoted(memory, text=True)}")
    return connection


def looked_at_whole(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a connection whose conditions are asked of every row, and never of a file's bounds: for audits."""
    connection.execute(f"SET disabled_optimizers = '{BY_STATISTICS},filter_pushdown'")
    return connection


def files_relation(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[int, Column],
    paths: Sequence[str],
    io: FileIO | None,
    first: int | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return a table's files as a relation, its columns matched by Iceberg field id.

    Args:
        connection: The connection that will read them.
        columns: The table's columns by field id.
        paths: Parquet files; none gives a relation without rows.
        io: The table's file IO, for files that are not local; None when there are no files.
        first: Read only so many rows of each file, from its beginning; None for all.
    """
    if not paths:
        return connection.from_arrow(arrow_schema(columns.values()).empty_table())
    reach(connection, io, paths)
    if first is None:
        return connection.sql(f"SELECT * FROM {files_scan(columns, paths)}")  # noqa: S608 - quoted
    names = ", ".join(quoted(column.name) for column in columns.values())
    # Row groups that begin later are skipped; a window over the rows, or a day's own LIMIT, would read all of them.
    return connection.sql(
        f"SELECT {names} FROM {files_scan(columns, paths, 'file_row_number = true')} WHERE file_row_number < {first}"  # noqa: S608 - as above
    )


def files_scan(columns: Mapping[int, Column], paths: Sequence[str], *options: str) -> str:
    """Return the call by which DuckDB reads a table's files, their columns matched by Iceberg field id.

    Args:
        columns: The table's columns by field id.
        paths: The files.
        *options: More of the call's arguments.
    """
    fields = ", ".join(
        f"{number}: {{name: {quoted(column.name, text=True)}, type: '{DUCK_TYPES.get(column.type, column.type)}', "
        "default_value: NULL}"
        for number, column in columns.items()
    )
    listed = ", ".join(quoted(path, text=True) for path in paths)
    arguments = [f"[{listed}]", f"schema = MAP {{{fields}}}", "hive_partitioning = false", *options]
    return f"read_parquet({', '.join(arguments)})"


def quoted(name: str, *, text: bool = False) -> str:
    """Return an identifier, or with `text` a string literal, quoted for DuckDB."""
    mark = "'" if text else '"'
    return mark + name.replace(mark, mark * 2) + mark
