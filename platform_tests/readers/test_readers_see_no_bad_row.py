"""Promise 1, watched from outside: readers that share no code with Lakeproof poll while bad and good days are run."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
import pytest

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DUCKDB_READER = ROOT / ".venv" / "readers" / "bin" / "python"
"""DuckDB 1.5.5, the newest whose Iceberg reader is on PyPI, in an environment of its own; `make test` makes it."""

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
ROWS = 2_000
ROUNDS = 6

watched = Table(
    "tests.watched",
    columns=[Column("day", "date"), Column("value", "long")],
    partition="day",
    layer="tests",
    start=DAYS[0],
    owner="team:tests",
    audits=[audit.between("value", 0, None), audit.row_count(at_least=ROWS, at_most=ROWS)],
)
made_value: dict[date, int] = {}


@daily_table(watched)
def make_watched(window: Window) -> pl.DataFrame:
    """Make rows whose value says which round they are of; below nothing, the day is bad."""
    return pl.DataFrame(
        {
            "day": [day for day in window.days for _ in range(ROWS)],
            "value": [made_value[day] for day in window.days for _ in range(ROWS)],
        }
    )


@contextmanager
def polling(python: Path | str, script: str, lakehouse: Lakehouse, folder: Path) -> Iterator[list[list[list[object]]]]:
    """Poll in another process while the block runs; the list fills with what each poll saw when it ends."""
    stop, polls = folder / f"{script}.stop", []
    catalog = Path(str(lakehouse.home)) / "catalog.db"
    command = [str(python), str(HERE / script), str(catalog), "watched", str(stop)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    try:
        yield polls
    finally:
        stop.touch()
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    polls += [json.loads(line) for line in (first + rest).splitlines()]


def run_days(lakehouse: Lakehouse) -> bool:
    """Run all three days as one run."""
    tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
    result = dg.materialize_to_memory(
        [make_watched], tags=tags, resources={"lakehouse": lakehouse}, raise_on_error=False
    )
    return result.success


@pytest.mark.parametrize(
    ("python", "script"),
    [(DUCKDB_READER, "poll_with_duckdb.py"), (sys.executable, "poll_with_pyiceberg.py")],
    ids=["duckdb", "pyiceberg"],
)
def test_no_poll_sees_a_bad_a_missing_or_a_mixed_day(
    lakehouse: Lakehouse, tmp_path: Path, python: Path | str, script: str
) -> None:
    """Every poll sees whole days of one good round: never a bad row, never a day half replaced or gone."""
    made_value.update(dict.fromkeys(map(date.fromisoformat, DAYS), 0))
    assert run_days(lakehouse)

    with polling(python, script, lakehouse, tmp_path) as polls:
        for turn in range(1, ROUNDS):
            bad = date.fromisoformat(DAYS[turn % len(DAYS)])
            made_value.update({date.fromisoformat(day): turn for day in DAYS} | {bad: -turn})
            assert not run_days(lakehouse)

    assert len(polls) > ROUNDS
    for poll in polls:
        assert {row[0]: row[1] for row in poll} == dict.fromkeys(DAYS, ROWS)
        assert all(low == high and low >= 0 for _, _, low, high in poll)
    seen = {row[2] for poll in polls for row in poll}
    assert len(seen) > 1  # it did look while days changed
