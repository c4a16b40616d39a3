"""Promise 1 while files go: readers poll, and a slow one reads on, beside publishes and the passes of upkeep."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import polars as pl
from polling import assert_whole, polling
from publisher import ROWS

from lakeproof.lake.retention import MAX_SNAPSHOTS, MIN_SNAPSHOTS, REPLACED_DAYS
from lakeproof.lake.upkeep import GRACE, ORPHAN, REPLACED, Upkeep, upkeep

if TYPE_CHECKING:
    from pathlib import Path

    from catalogs import Catalog

NAME = "tests.kept"
DAYS = [f"2024-01-0{number}" for number in range(1, 7)]

READERS = os.environ.get("LAKEPROOF_READERS", "duckdb").split()
"""Who polls: one in the short form, which must be quick. The slow reader is there besides."""

ROUNDS = int(os.environ.get("LAKEPROOF_UPKEEP_ROUNDS", "6"))
"""How many publishes a batch has. So many snapshots are kept, each for as long as the publishes may take."""

PATIENCE = timedelta(seconds=0.4) * ROUNDS
"""How long what was replaced is kept here: the least there is, an hour, judged by a clock so much less ahead."""


def rounds_of(batch: int) -> list[dict[str, Any]]:
    """Return runs of three days, of which one is bad. The first batch's days are then left alone: their past goes."""
    days = [4, 5, 6] if batch else [1, 2, 3]
    values = range(ROUNDS * batch + 1, ROUNDS * (batch + 1) + 1)
    return [{"days": days, "values": dict.fromkeys(days, value) | {days[value % 3]: -value}} for value in values]


def keep_up(lake: Catalog) -> Upkeep:
    """Do the upkeep, as if what was done more than a moment ago had been done an hour ago."""
    return upkeep(lake.stored(NAME), now=datetime.now(UTC) + GRACE - PATIENCE)


def as_polled(files: list[str]) -> list[list[Any]]:
    """Return the rows of files as a poll says them."""
    value = pl.col("value")
    days = pl.read_parquet(files).group_by("day").agg(pl.len(), low=value.min(), high=value.max())
    return [[str(day), *rest] for day, *rest in days.iter_rows()]


def test_readers_see_whole_days_while_upkeep_removes_files(lake: Catalog, tmp_path: Path, record_property: Any) -> None:
    """Files go from under nobody: each poll sees all rows, and so does a reader that opened before several passes."""
    lake.run(NAME, {"days": [1, 2, 3, 4, 5, 6], "value": 0})
    with lake.stored(NAME).transaction() as transaction:
        transaction.set_properties({REPLACED_DAYS: "0", MIN_SNAPSHOTS: str(ROUNDS), MAX_SNAPSHOTS: str(ROUNDS)})
    lake.run(NAME, *rounds_of(0))
    removed: Counter[str] = Counter()
    states: Counter[str] = Counter()
    slow: list[list[list[Any]]] = []

    with ExitStack() as stack:
        at_work = [
            stack.enter_context(polling(reader, tmp_path / "catalog.db", "lake", "kept", tmp_path))
            for reader in READERS
        ]
        pool = stack.enter_context(ThreadPoolExecutor(1))
        for batch in count(1):
            publishing = pool.submit(lake.run, NAME, *rounds_of(batch))
            while not publishing.done():
                opened = [task.file.file_path for task in lake.stored(NAME).scan().plan_files()]
                until = datetime.now(UTC) + PATIENCE / 2
                while datetime.now(UTC) < until and not publishing.done():
                    removed += Counter(gone.reason for gone in keep_up(lake).removed)
                slow.append(as_polled(opened))
            states += Counter(state for run in publishing.result() for state in run["states"])
            if {REPLACED, ORPHAN} <= removed.keys() and all(one.has_enough for one in at_work):
                break

    assert states == {"published": 2 * ROUNDS * batch, "held": ROUNDS * batch}
    record_property("files that upkeep removed beside readers", removed.total())
    for reader, polls in [("a slow reader", slow), *((one.reader, one.seen()) for one in at_work)]:
        record_property(f"polls by {reader} beside upkeep", len(polls))
        assert_whole(polls, DAYS, ROWS)
