"""Promise 1, watched from outside: readers that share no code with Lakeproof poll while bad and good days are run."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import date
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest
from polling import READERS, assert_whole, polling
from publisher import ROWS as PUBLISHED_ROWS

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalogs import Catalog

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
ROWS = 2_000
ROUNDS = 6
PUBLISHERS = 2

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

    with polling(reader, Path(str(lakehouse.home), "catalog.db"), "lakeproof", "watched", tmp_path) as at_work:
        for turn in count(1):
            bad = date.fromisoformat(DAYS[turn % len(DAYS)])
            made_value.update({date.fromisoformat(day): turn for day in DAYS} | {bad: -turn})
            assert not run_days(lakehouse)
            if turn >= ROUNDS and at_work.has_enough:
                break

    polls = at_work.seen()
    record_property(f"polls by {reader}", len(polls))
    assert_whole(polls, DAYS, ROWS)
    seen = {row[2] for poll in polls for row in poll}
    assert len(seen) > 1  # it did look while days changed


def rounds_of(process: int, batch: int) -> Iterator[dict[str, Any]]:
    """Return runs of two days, of which one is bad."""
    for turn in range(ROUNDS):
        value = 1_000 * batch + 100 * process + turn + 1
        good, bad = turn % len(DAYS) + 1, (turn + 1) % len(DAYS) + 1
        yield {"days": sorted([good, bad]), "values": {good: value, bad: -value}}


def test_no_poll_sees_anything_else_while_processes_publish_at_once(
    lake: Catalog, tmp_path: Path, record_property: Any
) -> None:
    """While processes replace the same days over and over, good and bad, each reader sees whole, good days only."""
    lake.run("tests.parallel", {"days": list(range(1, len(DAYS) + 1)), "value": 0})
    states: Counter[str] = Counter()

    with ExitStack() as stack:
        at_work = [
            stack.enter_context(polling(reader, tmp_path / "catalog.db", "lake", "parallel", tmp_path))
            for reader in READERS
        ]
        for batch in count():
            said = lake.together("tests.parallel", *(list(rounds_of(process, batch)) for process in range(PUBLISHERS)))
            states += Counter(state for one in said for run in one for state in run["states"])
            if all(one.has_enough for one in at_work):
                break

    assert states["held"] == PUBLISHERS * ROUNDS * (batch + 1)
    assert states["published"] >= ROUNDS
    for one in at_work:
        polls = one.seen()
        record_property(f"polls by {one.reader}", len(polls))
        assert_whole(polls, DAYS, PUBLISHED_ROWS)
