"""Poll a table with plain PyIceberg.

Usage: poll_with_pyiceberg.py CATALOG_DB NAME TABLE STOP_FILE. Prints a JSON line a poll until STOP_FILE is there.
"""

import json
import sys
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError


def main(catalog: str, name: str, table: str, stop: str) -> None:
    """Poll: load the table anew as any reader does, and look at every row."""
    reader = SqlCatalog(name, uri=f"sqlite:///{catalog}?timeout=30", warehouse=Path(catalog).parent.as_uri())
    while not Path(stop).exists():
        try:
            rows = reader.load_table(f"tests.{table}").scan().to_arrow()
        except NoSuchTableError:
            continue
        groups = rows.group_by("day").aggregate([("value", "count"), ("value", "min"), ("value", "max")])
        listed = [[str(r["day"]), r["value_count"], r["value_min"], r["value_max"]] for r in groups.to_pylist()]
        sys.stdout.write(json.dumps(listed) + "\n")
        sys.stdout.flush()


main(*sys.argv[1:])
