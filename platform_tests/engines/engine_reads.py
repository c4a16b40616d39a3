"""Run blocks of docs/readers.md as a reader would, and print what they find and all rows of tables, as JSON.

It runs in the environments of the readers, which have nothing of Lakeproof's. Usage: engine_reads.py ENGINE, with the
blocks and the tables on standard input. The first block opens the lake; each later one says the days of a table.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from canonical import canonical_rows

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Kinds = dict[str, str]
Scope = dict[str, Any]


def ask_trino(scope: Scope, statement: str) -> list[tuple[Any, ...]]:
    """Ask Trino, by its own client."""
    scope["cursor"].execute(statement)
    return [tuple(row) for row in scope["cursor"].fetchall()]


def ask_spark(scope: Scope, statement: str) -> list[tuple[Any, ...]]:
    """Ask Spark."""
    return [tuple(row) for row in scope["spark"].sql(statement).collect()]


def ask_duckdb(scope: Scope, statement: str) -> list[tuple[Any, ...]]:
    """Ask DuckDB."""
    return [tuple(row) for row in scope["connection"].execute(statement).fetchall()]


ASK = {"trino": ask_trino, "spark": ask_spark, "duckdb": ask_duckdb}


def rows_by_sql(engine: str, scope: Scope, table: str, kinds: Kinds) -> list[dict[str, Any]]:
    """Return a table's rows with the values as the engine's Python has them."""
    if engine != "spark":
        rows = ASK[engine](scope, f"SELECT * FROM {table}")  # noqa: S608 - the test's own name
        return [dict(zip(kinds, row, strict=True)) for row in rows]
    # Spark's Python has no room for the first day of year 1 in a zone.
    chosen = ", ".join(f"unix_micros({name})" if kind == "timestamptz" else name for name, kind in kinds.items())
    rows = ask_spark(scope, f"SELECT {chosen} FROM {table}")  # noqa: S608 - as above
    return [
        {
            name: EPOCH + timedelta(microseconds=value) if kind == "timestamptz" and value is not None else value
            for (name, kind), value in zip(kinds.items(), row, strict=True)
        }
        for row in rows
    ]


def rows_by_python(engine: str, scope: Scope, table: str) -> list[dict[str, Any]]:
    """Return a table's rows as Polars or PyIceberg has them."""
    opened = scope["catalog"].load_table(table)
    if engine == "pyiceberg":
        return list(opened.scan().to_arrow().to_pylist())
    return list(scope["pl"].scan_iceberg(opened, storage_options=scope["storage"]).collect().to_dicts())


def said(engine: str, scope: Scope, language: str, block: str) -> list[list[str]]:
    """Run a block and return what it says, each value as text."""
    if language == "sql":
        found = ASK[engine](scope, block)
    else:
        exec(block, scope)  # noqa: S102 - the page is what is tested
        found = scope["days"]
        if engine == "pyiceberg":
            found = [row.values() for row in found.sort_by("day").to_pylist()]
    return [[str(value) for value in row] for row in found]


def main(engine: str) -> None:
    """Open the lake as the page says, then run the other blocks and read the tables."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    told = json.load(sys.stdin)
    scope: Scope = {}
    (_, opening), *blocks = told["blocks"]
    exec(opening, scope)  # noqa: S102 - as above
    days = [said(engine, scope, language, block) for language, block in blocks]
    tables: dict[str, Any] = {}
    for table, kinds in told["tables"].items():
        try:
            rows = rows_by_sql(engine, scope, table, kinds) if engine in ASK else rows_by_python(engine, scope, table)
            tables[table] = canonical_rows(kinds, rows)
        except Exception as error:  # noqa: BLE001 - what an engine cannot read is told as well
            tables[table] = str(error).splitlines()[0]
    sys.stdout.write("\n" + json.dumps({"days": days, "tables": tables}))


main(*sys.argv[1:])
