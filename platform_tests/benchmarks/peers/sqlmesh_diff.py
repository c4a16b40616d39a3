"""SQLMesh compares two versions as its documentation does: `sqlmesh table_diff` of two tables that DuckDB holds."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import duckdb
from peers.sqlmesh_duckdb import CONFIG


def diff(folder: str) -> dict[str, object]:
    """Load both versions into DuckDB, and compare them; only the comparison is timed."""
    home = Path.cwd()
    (home / "config.yaml").write_text(CONFIG.format(home=home))
    (home / "models").mkdir()
    (home / "models" / "one.sql").write_text("MODEL (name bench.one, kind FULL);\nSELECT 1 AS one\n")  # it demands one
    with duckdb.connect(str(home / "lake.db")) as connection:
        for name in ("old", "new"):
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet('{folder}/{name}.parquet')")  # noqa: S608 - our own
    command = [
        str(Path(sys.executable).parent / "sqlmesh"),
        "table_diff",
        "old:new",
        "-o",
        "l_orderkey",
        "-o",
        "l_linenumber",
    ]
    began = time.monotonic()
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=True)
    seconds = time.monotonic() - began
    said = [line.partition("MATCH: ")[2] for line in done.stdout.splitlines() if "PARTIAL MATCH" in line]
    return {"seconds": seconds, "said": f"{said[0]} changed" if said else "no count"}
