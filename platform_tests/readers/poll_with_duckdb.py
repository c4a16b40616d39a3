"""Poll a table with DuckDB's own Iceberg reader, in an environment that has nothing of Lakeproof's.

Usage: poll_with_duckdb.py CATALOG_DB NAME TABLE STOP_FILE. Prints a JSON line a poll until STOP_FILE is there.
"""

import importlib.util
import json
import sqlite3
import sys
from pathlib import Path

import duckdb


def load(connection: duckdb.DuckDBPyConnection, extension: str) -> None:
    """Load an extension from the package that carries it."""
    folder = Path(importlib.util.find_spec(f"duckdb_extension_{extension}").submodule_search_locations[0])
    binary = folder / "extensions" / f"v{duckdb.__version__}" / f"{extension}.duckdb_extension"
    connection.execute(f"LOAD '{binary}'")


def main(catalog: str, name: str, table: str, stop: str) -> None:
    """Poll: follow the catalog's pointer as any reader does, and look at every row."""
    connection = duckdb.connect()
    for extension in ("avro", "iceberg"):
        load(connection, extension)
    pointer = "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_name = ?"
    while not Path(stop).exists():
        found = sqlite3.connect(catalog, timeout=30).execute(pointer, [name, table]).fetchone()
        if found is None:
            continue
        query = "SELECT day::VARCHAR, count(*), min(value), max(value) FROM iceberg_scan($1) GROUP BY ALL"
        try:
            rows = connection.execute(query, [found[0]]).fetchall()
        except duckdb.Error as error:
            # A table without a snapshot is nothing to read for this reader, not an empty table.
            if "snapshot" not in str(error).lower():
                raise
            rows = []
        sys.stdout.write(json.dumps(rows) + "\n")
        sys.stdout.flush()


main(*sys.argv[1:])
