"""A statement that unions both sides with a column `table_type`, for one's own questions in any engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot

from lakeproof.engine.duck import files_scan, quoted
from lakeproof.errors import UsageError
from lakeproof.outputs.sides import scan_of
from lakeproof.window import runs_of_days

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakeproof.lake.days import Day
    from lakeproof.outputs.sides import Opened

ENGINES = ("duckdb", "spark", "trino")


def union_of(sides: Sequence[Opened], engine: str) -> str:
    """Return the statement; rows of the old side have `old` in `table_type`, those of the new `new`.

    For DuckDB it reads the files of both sides as they are now. For Spark and Trino it names the table and its
    versions, which the catalog keeps for as long as the snapshots live.

    Args:
        sides: The old side and the new.
        engine: One of `ENGINES`.

    Raises:
        UsageError: A side that is no table, for an engine that only reads tables.
    """
    shared = [c.name for c in sides[1].columns.values() if c.name in {o.name for o in sides[0].columns.values()}]
    listed = ", ".join(quoted(name) for name in shared)
    parts = [
        f"SELECT {quoted(kind, text=True)} AS table_type, {listed} FROM {_source(side, engine)}"  # noqa: S608 - quoted
        for kind, side in zip(("old", "new"), sides, strict=True)
    ]
    statement = "\nUNION ALL\n".join(parts)
    return statement if engine == "duckdb" else sqlglot.transpile(statement, read="trino", write=engine, pretty=True)[0]


def _source(side: Opened, engine: str) -> str:
    if engine == "duckdb":
        if side.files:
            return scan_of(side.files)
        paths = [path for live in side.days.values() for path in live.paths]
        if not paths:
            msg = f"{side.name} has no file in these days."
            raise UsageError(msg)
        return files_scan(side.columns, paths)
    if side.table is None or side.version is None:
        msg = f"{side.name} is no table that {engine} can read by name."
        raise UsageError(msg, next_step="--sql duckdb reads files")
    name = ".".join(quoted(part) for part in side.version[0].split("."))
    at = side.version[1]
    version = quoted(at, text=True) if isinstance(at, str) else str(at)
    return f"{name} FOR VERSION AS OF {version}{_days(side.partition, side.days)}"


def _days(partition: str | None, days: Iterable[Day]) -> str:
    """Return what leaves a version's other days out: a branch has those of `main` as well."""
    if partition is None:
        return ""
    stretches = runs_of_days(day for day in days if day is not None)
    listed = [f"{quoted(partition)} BETWEEN DATE '{first}' AND DATE '{last}'" for first, last in stretches]
    return f" WHERE {' OR '.join(listed) or 'FALSE'}"
