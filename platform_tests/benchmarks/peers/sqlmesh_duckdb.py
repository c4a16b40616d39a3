"""SQLMesh on DuckDB does the job as its guides do it: an incremental model with audits, and `sqlmesh plan`."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb

FIRST = date(2013, 1, 1)

CONFIG = """
gateways:
  local:
    connection:
      type: duckdb
      database: {home}/lake.db
default_gateway: local
model_defaults:
  dialect: duckdb
disable_anonymized_analytics: true
"""

MODEL = """
MODEL (
  name bench.departures,
  kind INCREMENTAL_BY_TIME_RANGE (time_column flight_date{batch}),
  start '2013-01-01',
  end '{end}',
  cron '@daily',
  grain (flight_date, carrier, flight, origin, sched_dep_time),
  audits (
    not_null(columns := (sched_dep_time, carrier, flight, origin, dest, time_hour)),
    unique_combination_of_columns(columns := (flight_date, carrier, flight, origin, sched_dep_time)),
    rows_of_a_day(at_least := 300, at_most := 1500),
    accepted_values(column := origin, is_in := ('EWR', 'JFK', 'LGA')),
    accepted_range(column := dep_delay, min_v := -60, max_v := 1500),
    accepted_range(column := arr_delay, min_v := -120, max_v := 1500),
    accepted_range(column := distance, min_v := 1, max_v := 10000),
    accepted_range(column := air_time, min_v := 1, max_v := 1440)
  )
);

SELECT * FROM read_parquet('{data}/year.parquet')
WHERE flight_date BETWEEN @start_date AND @end_date
"""

AUDIT = """
AUDIT (name rows_of_a_day);

SELECT flight_date, count(*) AS rows FROM @this_model
WHERE flight_date BETWEEN @start_date AND @end_date
GROUP BY flight_date HAVING NOT count(*) BETWEEN @at_least AND @at_most
"""


def project(home: str, data: str, days: int, batch: str = "") -> None:
    """Write the project, for the first days of the year."""
    folder = Path(home) / "project"
    (folder / "models").mkdir(parents=True)
    (folder / "audits").mkdir()
    (folder / "config.yaml").write_text(CONFIG.format(home=home))
    (folder / "models" / "departures.sql").write_text(
        MODEL.format(data=data, batch=batch, end=FIRST + timedelta(days=days - 1))
    )
    (folder / "audits" / "rows_of_a_day.sql").write_text(AUDIT)


def plan(home: str, *options: str, **more: object) -> subprocess.CompletedProcess:
    """Plan and apply to prod."""
    binary = Path(sys.executable).parent / "sqlmesh"
    command = [binary, "--paths", Path(home) / "project", "plan", "--auto-apply", "--no-prompts", *options]
    return subprocess.run(command, check=True, text=True, **more)


def whole_year(home: str, data: str, days: int) -> dict:
    """Build all days as one batch; its audits judge the batch as a whole."""
    project(home, data, days)
    plan(home)
    return {}


def day_by_day(home: str, data: str, days: int) -> dict:
    """Build each day as a batch of its own, which its audits judge."""
    project(home, data, days, ", batch_size 1")
    plan(home)
    return {}


def prepare_writers(home: str, data: str) -> dict:
    """Make the year: a plan of prod can only be of days that are there."""
    project(home, data, 365)
    plan(home)
    return {}


def writer(home: str, data: str, first: int, days: int, start: float) -> dict:
    """Restate some days, one a plan, as a process beside others."""
    del data
    time.sleep(max(0.0, start - time.time()))
    published, errors, began = 0, [], time.time()
    for number in range(first, first + days):
        day = str(FIRST + timedelta(days=number))
        try:
            plan(home, "--restate-model", "bench.departures", "--start", day, "--end", day, capture_output=True)
            published += 1
        except subprocess.CalledProcessError as error:
            errors.append((error.stdout + error.stderr).strip().splitlines()[-1])
    return {"began": began, "ended": time.time(), "published": published, "errors": errors, "snapshots": []}


def count(home: str) -> dict:
    """Return what a reader finds; DuckDB's tables have no snapshots."""
    with duckdb.connect(f"{home}/lake.db", read_only=True) as connection:
        days, rows = connection.execute("SELECT count(DISTINCT flight_date), count(*) FROM bench.departures").fetchone()
    return {"days": days, "rows": rows, "snapshots": None}
