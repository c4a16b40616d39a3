"""A run that is killed leaves whole days to readers, and nothing that the next run has to be helped over."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pyiceberg.catalog.sql import SqlCatalog

from lakeproof import Lakehouse
from platform_tests.lakeproof.publish_in_a_loop import DAYS, ROWS, publish_round

if TYPE_CHECKING:
    from datetime import date

SCRIPT = Path(__file__).with_name("publish_in_a_loop.py")
KILLS = 5
LONGEST_SECONDS = 0.7
"""Some ten rounds: a kill meets each of their steps."""


def seen_by_readers(home: Path) -> dict[date, tuple[int, set[int]]]:
    """Return the rows and the rounds of each day that plain PyIceberg reads."""
    catalog = SqlCatalog("lakeproof", uri=f"sqlite:///{home / 'catalog.db'}", warehouse=f"file://{home / 'warehouse'}")
    try:
        rows = pl.DataFrame(catalog.load_table("tests.crashed").scan().to_arrow())
    finally:
        catalog.close()
    return {day: (part.height, set(part["value"])) for (day,), part in rows.group_by("day")}


def test_a_killed_run_leaves_whole_days(tmp_path: Path) -> None:
    """Killed at any moment, a run leaves each day whole and of one round, and a rerun needs no repair."""
    moments = random.Random(15)  # noqa: S311 - no secret
    last = 0
    for kill in range(1, KILLS + 1):
        first = 1_000 * kill
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(tmp_path), str(first)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        with process:
            began = process.stdout.readline()
            time.sleep(moments.uniform(0, LONGEST_SECONDS))
            process.kill()
        assert began == "began\n"

        seen = seen_by_readers(tmp_path)
        assert set(seen) == set(DAYS)
        assert {rows for rows, _ in seen.values()} == {ROWS}
        assert {len(rounds) for _, rounds in seen.values()} == {1}
        newest = {max(rounds) for _, rounds in seen.values()}
        assert len({max(seen[day][1]) for day in DAYS[:2]}) == 1  # published together, seen together
        assert len({max(seen[day][1]) for day in DAYS[2:]}) == 1
        assert min(newest) >= first > last

        last = first + 999
        again = publish_round(Lakehouse(home=str(tmp_path)), last, DAYS)
        assert [day.state for day in again.days] == ["published"] * len(DAYS)
        assert seen_by_readers(tmp_path) == {day: (ROWS, {last}) for day in DAYS}
