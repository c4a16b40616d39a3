"""Poll a table with Polars' own Iceberg reader.

Usage: poll_with_polars.py CATALOG_DB NAME TABLE STOP_FILE. Prints a JSON line a poll until STOP_FILE is there.
"""

import json
import sqlite3
import sys
from pathlib import Path

import polars as pl


def main(catalog: str, name: str, table: str, stop: str) -> None:
    """Poll: follow the catalog's pointer as any reader does, and look at every row."""
    pointer = "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_name = ?"
    while not Path(stop).exists():
        found = sqlite3.connect(catalog, timeout=30).execute(pointer, [name, table]).fetchone()
        if found is None:
            continue
        value = pl.col("value")
        days = pl.scan_iceberg(found[0]).group_by("day").agg(pl.len(), low=value.min(), high=value.max()).collect()
        sys.stdout.write(json.dumps([[str(day), *rest] for day, *rest in days.iter_rows()]) + "\n")
        sys.stdout.flush()


main(*sys.argv[1:])
