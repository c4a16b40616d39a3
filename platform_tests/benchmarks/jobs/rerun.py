"""A day that is run again with the same rows, and the same question answered by hand."""

from __future__ import annotations

import gc
import time
from typing import Any

import duckdb
import pyarrow as pa
from jobs import lineitem
from jobs.publish import run_days

from lakeproof import Lakehouse
from lakeproof.lake.live import View

COMPARE = """
    SELECT count(*) FROM again FULL JOIN published AS p
        ON again.l_orderkey = p.l_orderkey AND again.l_linenumber = p.l_linenumber
    WHERE {differs}
"""


def rerun(home: str, data: str, rounds: int) -> dict[str, Any]:
    """Publish a day, then run it again and compare it by hand, in turns; making the rows is to read them from disk."""
    table, lake = lineitem.contract(unique=False), Lakehouse(home=home).lake
    run_days(lake, table, [lineitem.DAY], lambda: lineitem.load(data))
    before = _snapshots(home)
    timed: dict[str, list[float]] = {"rerun": [], "by_hand": []}
    for _ in range(rounds):
        _settle()
        began = time.monotonic()
        outcome = run_days(lake, table, [lineitem.DAY], lambda: lineitem.load(data))
        timed["rerun"].append(time.monotonic() - began)
        if not outcome.of("unchanged") or outcome.snapshot is not None:
            msg = f"the day was {outcome.days[0].state}"
            raise RuntimeError(msg)
        paths = View.of(lake.ensure(table), [lineitem.DAY]).days[lineitem.DAY].paths
        _settle()
        began = time.monotonic()
        if differing := _compare(data, paths):
            msg = f"{differing:,} rows differ"
            raise RuntimeError(msg)
        timed["by_hand"].append(time.monotonic() - began)
    return timed | {"new_snapshots": len(_snapshots(home) - before)}


def _settle() -> None:
    """Give memory back to the system, so that neither side makes its rows in what the other left."""
    gc.collect()
    pa.default_memory_pool().release_unused()


def _compare(data: str, paths: tuple[str, ...]) -> int:
    """Make the rows again, and count the rows that are not, column by column, what is published."""
    differs = " OR ".join(f"again.{c.name} IS DISTINCT FROM p.{c.name}" for c in lineitem.COLUMNS)
    with duckdb.connect() as connection:
        connection.register("again", lineitem.load(data))
        connection.read_parquet(list(paths)).create_view("published")
        return connection.execute(COMPARE.format(differs=differs)).fetchall()[0][0]


def _snapshots(home: str) -> set[int]:
    table = Lakehouse(home=home).catalog.load_table("bench.lineitem")
    return {snapshot.snapshot_id for snapshot in table.metadata.snapshots}
