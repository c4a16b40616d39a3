"""Print the rows of a table as DuckDB's own Iceberg reader sees them. Usage: rows_with_duckdb.py METADATA_FILE."""

import importlib.util
import json
import sys
from pathlib import Path

import duckdb


def load(connection: duckdb.DuckDBPyConnection, extension: str) -> None:
    """Load an extension from the package that carries it."""
    folder = Path(importlib.util.find_spec(f"duckdb_extension_{extension}").submodule_search_locations[0])
    binary = folder / "extensions" / f"v{duckdb.__version__}" / f"{extension}.duckdb_extension"
    connection.execute(f"LOAD '{binary}'")


def main(metadata: str) -> None:
    """Print the names of the columns, and each row with its values as text."""
    connection = duckdb.connect()
    for extension in ("avro", "iceberg"):
        load(connection, extension)
    found = connection.execute("SELECT columns(*)::VARCHAR FROM iceberg_scan($1) ORDER BY ALL", [metadata])
    names = [column[0] for column in found.description]
    sys.stdout.write(json.dumps([names, *found.fetchall()]))


main(*sys.argv[1:])
