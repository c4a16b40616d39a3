"""Promise 1, watched from outside: readers that share no code with Lakeproof poll while bad and good days are run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest
from catalogs import Catalog
from publisher import ROWS as PUBLISHED_ROWS

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
PUBLISHERS = 2

READERS = {
    "duckdb": (DUCKDB_READER, "poll_with_duckdb.py"),
    "polars": (sys.executable, "poll_with_polars.py"),
    "pyiceberg": (sys.executable, "poll_with_pyiceberg.py"),
}
"""Each in a process of its own, with the Python that runs it."""

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
def polling(reader: str, home: Path, name: str, table: str, folder: Path) -> Iterator[list[list[list[Any]]]]:
    """Poll in another process while the block runs; the list fills with what each poll saw when it ends."""
    stop, polls = folder / f"{reader}.stop", []
    python, script = READERS[reader]
    command = [str(python), str(HERE / script), str(home / "catalog.db"), name, table, str(stop)]
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


@pytest.mark.parametrize("reader", READERS)
def test_no_poll_sees_a_bad_a_missing_or_a_mixed_day(
    lakehouse: Lakehouse, tmp_path: Path, reader: str, record_property: Any
) -> None:
    """Every poll sees whole days of one good round: never a bad row, never a day half replaced or gone."""
    made_value.update(dict.fromkeys(map(date.fromisoformat, DAYS), 0))
    assert run_days(lakehouse)

    with polling(reader, Path(str(lakehouse.home)), "lakeproof", "watched", tmp_path) as polls:
        for turn in range(1, ROUNDS):
            bad = date.fromisoformat(DAYS[turn % len(DAYS)])
            made_value.update({date.fromisoformat(day): turn for day in DAYS} | {bad: -turn})
            assert not run_days(lakehouse)

    assert len(polls) > ROUNDS
    record_property(f"polls by {reader}", len(polls))
    for poll in polls:
        assert {row[0]: row[1] for row in poll} == dict.fromkeys(DAYS, ROWS)
        assert all(low == high and low >= 0 for _, _, low, high in poll)
    seen = {row[2] for poll in polls for row in poll}
    assert len(seen) > 1  # it did look while days changed


def good_and_bad(value: int, turn: int) -> dict[str, Any]:
    """Return a run of two days, of which one is bad."""
    good, bad = turn % len(DAYS) + 1, (turn + 1) % len(DAYS) + 1
    return {"days": sorted([good, bad]), "values": {good: value, bad: -value}}


def test_no_poll_sees_anything_else_while_processes_publish_at_once(tmp_path: Path, record_property: Any) -> None:
    """While processes replace the same days over and over, good and bad, each reader sees whole, good days only."""
    catalog = Catalog(
        {"type": "sql", "uri": f"sqlite:///{tmp_path / 'catalog.db'}", "warehouse": (tmp_path / "lake").as_uri()},
        tmp_path,
    )
    numbers = range(1, len(DAYS) + 1)
    catalog.run("tests.parallel", {"days": list(numbers), "value": 0})
    runs = [[good_and_bad(100 * process + turn + 1, turn) for turn in range(ROUNDS)] for process in range(PUBLISHERS)]

    with ExitStack() as stack:
        seen = {
            reader: stack.enter_context(polling(reader, tmp_path, "lake", "parallel", tmp_path)) for reader in READERS
        }
        said = catalog.together("tests.parallel", *runs)
    catalog.close()

    states = Counter(state for one in said for run in one for state in run["states"])
    assert states["held"] == PUBLISHERS * ROUNDS
    assert states["published"] >= ROUNDS
    for reader, polls in seen.items():
        assert polls
        record_property(f"polls by {reader}", len(polls))
        for poll in polls:
            assert {row[0]: row[1] for row in poll} == dict.fromkeys(DAYS, PUBLISHED_ROWS)
            assert all(low == high and low >= 0 for _, _, low, high in poll)
