"""local-data-platform does the job as its README does it: a config for each table, a window for each day."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

from local_data_platform.etl import run_config
from pyiceberg.catalog.sql import SqlCatalog

FIRST = date(2013, 1, 1)
SPARE_DAY = 364
CHECKS = [
    {"check": "not_null", "columns": ["sched_dep_time", "carrier", "flight", "origin", "dest", "time_hour"]},
    {"check": "unique", "columns": ["flight_date", "carrier", "flight", "origin", "sched_dep_time"]},
    {"check": "accepted_values", "column": "origin", "values": ["EWR", "JFK", "LGA"]},
    {"check": "range", "column": "dep_delay", "min": -60, "max": 1500},
    {"check": "range", "column": "arr_delay", "min": -120, "max": 1500},
    {"check": "range", "column": "distance", "min": 1, "max": 10000},
    {"check": "range", "column": "air_time", "min": 1, "max": 1440},
]


def config(home: str, source: Path | str, rows: dict, **more: object) -> Path:
    """Write the config of the table."""
    catalog = {"identifier": "bench", "warehouse_path": f"{home}/warehouse"}
    metadata = {
        "source": {"name": "flights", "format": "PARQUET", "path": str(source)},
        "target": {
            "name": "departures",
            "format": "ICEBERG",
            "write_mode": "overwrite",
            "partition_by": [{"column": "flight_date", "transform": "identity"}],
            "catalog": catalog,
        },
        "quality": {"on_failure": "fail", "checks": [{"check": "row_count", **rows}, *CHECKS]},
        **more,
    }
    path = Path(home) / "departures.json"
    path.write_text(json.dumps({"identifier": "departures", "metadata": metadata}))
    return path


def daily(home: str, data: str) -> Path:
    """Write the config of the table by day: a file is dropped for each, and its window replaces only its rows."""
    drops = Path(data) / "days" / "{window_start:%Y-%m-%d}.parquet"
    return config(home, drops, {"min": 300, "max": 1500}, window={"size": "day", "column": "flight_date"})


def ldp(*command: object) -> None:
    """Run its command."""
    subprocess.run([Path(sys.executable).parent / "ldp", *map(str, command)], check=True, stdout=subprocess.DEVNULL)


def whole_year(home: str, data: str, days: int) -> dict:
    """Load the year as one overwrite; its checks judge the year as a whole."""
    path = config(home, Path(data) / "year.parquet", {"min": 300 * days, "max": 1500 * days})
    ldp("run", path)
    return {}


def day_by_day(home: str, data: str, days: int) -> dict:
    """Load the days with its backfill: each window has its own checks and its own publish."""
    ldp("backfill", daily(home, data), "--from", FIRST, "--to", FIRST + timedelta(days=days))
    return {}


def prepare_writers(home: str, data: str) -> dict:
    """Make the table, so that writers find it: its first publish is of a day that none of them has."""
    daily(home, data)
    return writer(home, data, SPARE_DAY, 1, 0)


def writer(home: str, data: str, first: int, days: int, start: float) -> dict:
    """Publish some days, one at a time, in this process, exactly once by their windows."""
    del data
    path = Path(home) / "departures.json"
    time.sleep(max(0.0, start - time.time()))
    done, errors, began = [], [], time.time()
    for number in range(first, first + days):
        day = FIRST + timedelta(days=number)
        try:
            done.append(str(run_config(path, window=f"{day}/{day + timedelta(days=1)}").published_snapshot_id))
        except Exception as error:  # noqa: BLE001 - whatever it is, the day is not published
            errors.append(f"{type(error).__name__}: {error}")
    return {"began": began, "ended": time.time(), "published": len(done), "errors": errors, "snapshots": done}


def count(home: str) -> dict:
    """Return what a reader finds."""
    database = next(Path(home).rglob("*.db"))
    catalog = SqlCatalog("bench", uri=f"sqlite:///{database}", warehouse=f"file://{home}/warehouse")
    table = catalog.load_table("bench.departures")
    rows = table.scan(selected_fields=("flight_date",)).to_arrow()
    return {
        "days": len(rows["flight_date"].unique()),
        "rows": len(rows),
        "snapshots": len(table.metadata.snapshots),
    }
