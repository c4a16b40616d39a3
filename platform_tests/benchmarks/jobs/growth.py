"""A table that grows a day at a time: how long a publish takes, and what upkeep costs, as days add up."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from jobs.publish import run_days
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, LongType, NestedField

from lakeproof import Column, Lakehouse, Table, audit
from lakeproof.lake.upkeep import upkeep

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST = date(2000, 1, 1)
ROWS = 10
LATER = timedelta(days=1)
"""Upkeep judges ages as if a day had passed: a day does pass between publishes, outside of a benchmark."""

readings = Table(
    "bench.readings",
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
    """Publish days one at a time; tell the latencies from each milestone on, and what the upkeep after them costs.

    Upkeep runs as a measured stretch begins and as it ends: the second has the leftovers of the stretch to remove, in
    a table of all the days.

    Args:
        home: The lake's folder.
        milestones: How many days are published when the latency is taken.
        latencies: How many publishes it is the median of.
    """
    lake = Lakehouse(home=home).lake
    taken: dict[int, list[tuple[float, float]]] = {milestone: [] for milestone in milestones}
    kept: dict[int, float] = {}
    for number in range(max(milestones) + latencies):
        day = FIRST + timedelta(days=number)
        rows = rows_of(day)
        began = time.monotonic()
        outcome = run_days(lake, readings, [day], lambda rows=rows: rows)
        whole = time.monotonic() - began
        if (milestone := _milestone(milestones, number, latencies)) is not None:
            taken[milestone].append((outcome.seconds["publish"], whole))
        if number + 1 in {edge for milestone in milestones for edge in (milestone, milestone + latencies)}:
            began = time.monotonic()
            upkeep(lake.ensure(readings), now=datetime.now(UTC) + LATER)
            kept[number + 1 - latencies] = time.monotonic() - began
    table = lake.ensure(readings)
    days = len(set(table.scan(selected_fields=("day",)).to_arrow()["day"].to_pylist()))
    if days != max(milestones) + latencies:
        msg = f"a reader finds {days:,} of {max(milestones) + latencies:,} days"
        raise RuntimeError(msg)
    return {
        "milestones": {
            milestone: {
                "publish": statistics.median(publish for publish, _ in pairs),
                "whole": statistics.median(whole for _, whole in pairs),
                "upkeep": kept[milestone],
            }
            for milestone, pairs in taken.items()
        },
        "snapshots": len(table.metadata.snapshots),
        "metadata_bytes": Path(table.metadata_location.removeprefix("file://")).stat().st_size,
    }


def stock(home: str, milestones: Sequence[int], latencies: int, seconds: float) -> dict[str, Any]:
    """Publish the same days with stock PyIceberg's `overwrite`, as far as it gets in the time."""
    catalog = SqlCatalog("stock", uri=f"sqlite:///{home}/catalog.db", warehouse=f"file://{home}")
    catalog.create_namespace("bench")
    schema = Schema(NestedField(1, "day", DateType()), NestedField(2, "value", LongType()))
    spec = PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "day"))
    table = catalog.create_table("bench.readings", schema, partition_spec=spec)
    until = time.monotonic() + seconds
    taken: list[float] = []
    first, last = milestones[0], max(milestones)
    while len(taken) < first + latencies or (len(taken) < last + latencies and time.monotonic() < until):
        day = FIRST + timedelta(days=len(taken))
        rows = rows_of(day)
        began = time.monotonic()
        table.overwrite(rows, overwrite_filter=EqualTo("day", day.isoformat()))
        taken.append(time.monotonic() - began)
    return {
        "days": len(taken),
        "first": statistics.median(taken[first : first + latencies]),
        "last": statistics.median(taken[-latencies:]),
    }


def _milestone(milestones: Sequence[int], number: int, latencies: int) -> int | None:
    return next((milestone for milestone in milestones if milestone <= number < milestone + latencies), None)
