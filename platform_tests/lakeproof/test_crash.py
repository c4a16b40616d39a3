"""A run that is killed leaves whole days to readers, and nothing that the next run has to be helped over."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import time
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl
from pyiceberg.catalog.sql import SqlCatalog

from lakeproof import Column, Lakehouse, Table, Window, audit
from lakeproof.engine.function import FunctionMaker
from lakeproof.wap import Work, base_of, write_audit_publish

if TYPE_CHECKING:
    from pathlib import Path

    from lakeproof.outcome import Outcome

KILLS = 5
LONGEST_SECONDS = 0.6
"""Some ten rounds: a kill meets each of their steps."""
FIRST = date(2024, 1, 1)
DAYS = tuple(FIRST + timedelta(days=number) for number in range(4))
ROWS = 500

table = Table(
    "tests.crashed",
    columns=[Column("day", "date"), Column("value", "long")],
    partition="day",
    layer="tests",
    start=FIRST,
    owner="team:tests",
    audits=[audit.row_count(at_least=ROWS, at_most=ROWS)],
)


def publish_round(lakehouse: Lakehouse, number: int, days: tuple[date, ...]) -> Outcome:
    """Publish days whose every value is the number of the round."""

    def make(window: Window) -> pl.DataFrame:
        return pl.DataFrame({"day": [day for day in window.days for _ in range(ROWS)]}).with_columns(value=number)

    base = base_of(lakehouse.lake, table, days)
    work = Work(table=table, maker=FunctionMaker(make, {"window": Window}), readers={}, days=days, base=base)
    return write_audit_publish(lakehouse.lake, work)


def publish_until_killed() -> None:
    """Publish all days, say that it began, then a part of them, all of them, and so on."""
    lakehouse, first = Lakehouse(home=sys.argv[1]), int(sys.argv[2])
    for number in itertools.count(first):
        publish_round(lakehouse, number, DAYS if number % 2 == 0 else DAYS[:2])
        if number == first:
            sys.stdout.write("began\n")
            sys.stdout.flush()


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
            [sys.executable, __file__, str(tmp_path), str(first)], stdout=subprocess.PIPE, text=True
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


if __name__ == "__main__":
    publish_until_killed()
