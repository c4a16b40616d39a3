"""A table that grows a day at a time: how long a publish takes, and what upkeep costs, as days add up."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from jobs.publish import run_days

from lakeproof import Column, Lakehouse, Table, audit
from lakeproof.lake.upkeep import upkeep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof.lake.catalog import Lake

FIRST = date(2000, 1, 1)
ROWS = 10
LATER = timedelta(days=1)
"""Upkeep judges ages as if a day had passed: a day does pass between publishes, outside of a benchmark."""


def readings(name: str) -> Table:
    """Return a table of a few rows a day."""
    return Table(
        f"bench.{name}",
        columns=[Column("day", "date"), Column("value", "long")],
        partition="day",
        layer="benchmarks",
        start=FIRST,
        owner="team:benchmarks",
        key=["day", "value"],
        audits=[audit.between("value", 0, ROWS)],
    )


def rows_of(day: date) -> pa.Table:
    """Return a day's few rows."""
    return pa.table({"day": pa.array([day] * ROWS, pa.date32()), "value": pa.array(range(ROWS), pa.int64())})


def grow(home: str, milestones: Sequence[int], latencies: int) -> dict[str, Any]:
    """Publish days one at a time; at each milestone take turns with a young table, of as many days as the first.

    Upkeep of both runs as a measured stretch begins and as it ends: the second has the leftovers of the stretch to
    remove, in a table of all the days.

    Args:
        home: The lake's folder.
        milestones: How many days are published when the latency is taken.
        latencies: How many turns it is taken in; each table gets a day a turn.
    """
    lake, grown, days = Lakehouse(home=home).lake, readings("grown"), 0
    taken = {}
    for milestone in milestones:
        young = readings(f"young_{milestone}")
        for table, first, last in ((grown, days, milestone), (young, 0, milestones[0])):
            for number in range(first, last):
                _publish(lake, table, number)
            _keep_up(lake, table)
        turns = [
            (_publish(lake, grown, milestone + turn), _publish(lake, young, milestones[0] + turn))
            for turn in range(latencies)
        ]
        taken[milestone] = {
            name: {
                "publish": [turn[place][0] for turn in turns],
                "whole": [turn[place][1] for turn in turns],
                "upkeep": _keep_up(lake, table),
            }
            for place, (name, table) in enumerate({"grown": grown, "young": young}.items())
        }
        days = milestone + latencies
    stored = lake.ensure(grown)
    found = len(set(stored.scan(selected_fields=("day",)).to_arrow()["day"].to_pylist()))
    if found != days:
        msg = f"a reader finds {found:,} of {days:,} days"
        raise RuntimeError(msg)
    return {
        "milestones": taken,
        "snapshots": len(stored.metadata.snapshots),
        "metadata_bytes": Path(stored.metadata_location.removeprefix("file://")).stat().st_size,
    }


def _publish(lake: Lake, table: Table, number: int) -> tuple[float, float]:
    """Publish a table's day of a number, and return the seconds of the publish alone, and of the whole run."""
    day = FIRST + timedelta(days=number)
    rows = rows_of(day)
    began = time.monotonic()
    outcome = run_days(lake, table, [day], lambda: rows)
    return outcome.seconds["publish"], time.monotonic() - began


def _keep_up(lake: Lake, table: Table) -> float:
    stored = lake.ensure(table)
    began = time.monotonic()
    upkeep(stored, now=datetime.now(UTC) + LATER)
    return time.monotonic() - began
