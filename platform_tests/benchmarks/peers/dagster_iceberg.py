"""dagster-iceberg does the job as its documentation does it: its IO manager publishes, then asset checks judge."""

from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dagster_iceberg.config import IcebergCatalogConfig
from dagster_iceberg.io_manager.arrow import PyArrowIcebergIOManager
from pyiceberg.catalog.sql import SqlCatalog

FIRST = date(2013, 1, 1)
SPARE_DAY = 364
KEY = ["flight_date", "carrier", "flight", "origin", "sched_dep_time"]
NOT_NULL = ["sched_dep_time", "carrier", "flight", "origin", "dest", "time_hour"]
BETWEEN = {"dep_delay": (-60, 1500), "arr_delay": (-120, 1500), "distance": (1, 10000), "air_time": (1, 1440)}
NAMES = ["not_null", "unique", "row_count", "accepted_values", *(f"between_{column}" for column in BETWEEN)]


def judge(rows: pa.Table) -> dict[str, bool]:
    """Judge rows of some days."""
    counts = rows.group_by("flight_date").aggregate([([], "count_all")])["count_all"]
    return {
        "not_null": all(rows[column].null_count == 0 for column in NOT_NULL),
        "unique": len(rows.group_by(KEY).aggregate([])) == len(rows),
        "row_count": pc.all(pc.and_(pc.greater_equal(counts, 300), pc.less_equal(counts, 1500))).as_py(),
        "accepted_values": pc.all(pc.is_in(rows["origin"], pa.array(["EWR", "JFK", "LGA"]))).as_py(),
    } | {
        f"between_{column}": pc.all(
            pc.and_(pc.greater_equal(rows[column], low), pc.less_equal(rows[column], high))
        ).as_py()
        for column, (low, high) in BETWEEN.items()
    }


def definitions(home: str, data: str) -> dg.Definitions:
    """Return the asset, its checks and the IO manager; a run reads the year, or the file of its one day."""
    days = dg.DailyPartitionsDefinition(start_date=str(FIRST), end_date="2014-01-01")

    @dg.asset(
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata={"partition_expr": "flight_date"},
    )
    def departures(context) -> pa.Table:  # noqa: ANN001 - Dagster does not resolve annotations that are text
        asked = context.partition_keys
        if len(asked) == 1:
            return pq.read_table(Path(data) / "days" / f"{asked[0]}.parquet")
        return pq.read_table(Path(data) / "year.parquet")

    @dg.multi_asset_check(specs=[dg.AssetCheckSpec(name, asset=departures, blocking=True) for name in NAMES])
    def checks(departures: pa.Table):  # noqa: ANN202 - as above
        for name, passed in judge(departures).items():
            yield dg.AssetCheckResult(passed=bool(passed), check_name=name)

    config = IcebergCatalogConfig(properties={"uri": f"sqlite:///{home}/catalog.db", "warehouse": f"file://{home}"})
    manager = PyArrowIcebergIOManager(name="bench", config=config, namespace="bench")
    return dg.Definitions(assets=[departures], asset_checks=[checks], resources={"io_manager": manager})


def catalog(home: str) -> SqlCatalog:
    """Open the catalog by itself."""
    return SqlCatalog("bench", uri=f"sqlite:///{home}/catalog.db", warehouse=f"file://{home}")


def prepare(home: str) -> None:
    """Make what has to be there before a first run."""
    catalog(home).create_namespace("bench")


def whole_year(home: str, data: str, days: int) -> dict:
    """Run all days as one run; the checks would judge them as a whole."""
    prepare(home)
    last = FIRST + timedelta(days=days - 1)
    tags = {"dagster/asset_partition_range_start": str(FIRST), "dagster/asset_partition_range_end": str(last)}
    run(home, data, [{"tags": tags}])
    return {}


def day_by_day(home: str, data: str, days: int) -> dict:
    """Run each day as a run of its own, in this one process; the checks read the day that was run."""
    prepare(home)
    run(home, data, [{"partition_key": str(FIRST + timedelta(days=number))} for number in range(days)])
    return {}


def run(home: str, data: str, runs: list[dict]) -> None:
    """Run, with Dagster's record in memory, which takes less time than on disk; stop when one fails."""
    job = definitions(home, data).get_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        for asked in runs:
            result = job.execute_in_process(**asked, instance=instance, raise_on_error=False)
            if not result.success:
                raise RuntimeError(reason(result))


def reason(result: dg.ExecuteInProcessResult) -> str:
    """Return why a run failed, in one line."""
    failed = next((event.step_failure_data for event in result.all_events if event.is_step_failure), None)
    error = failed.error if failed else None
    return " ".join(str(error.cause or error).split("Stack Trace")[0].split()) if error else "the run failed"


def prepare_writers(home: str, data: str) -> dict:
    """Make the table, with a day that no writer has."""
    prepare(home)
    day = FIRST + timedelta(days=SPARE_DAY)
    run(home, data, [{"partition_key": str(day)}])
    return {}


def writer(home: str, data: str, first: int, days: int, start: float) -> dict:
    """Run some days, one at a time, as a process beside others; each writer keeps Dagster's record for itself."""
    job = definitions(home, data).get_implicit_global_asset_job_def()
    published, errors = 0, []
    with dg.DagsterInstance.ephemeral() as instance:
        time.sleep(max(0.0, start - time.time()))
        began = time.time()
        for number in range(first, first + days):
            day = str(FIRST + timedelta(days=number))
            result = job.execute_in_process(partition_key=day, instance=instance, raise_on_error=False)
            if result.success:
                published += 1
            else:
                errors.append(reason(result))
    return {"began": began, "ended": time.time(), "published": published, "errors": errors, "snapshots": []}


def count(home: str) -> dict:
    """Return what a reader finds."""
    table = catalog(home).load_table("bench.departures")
    rows = table.scan(selected_fields=("flight_date",)).to_arrow()
    return {
        "days": len(rows["flight_date"].unique()),
        "rows": len(rows),
        "snapshots": len(table.metadata.snapshots),
    }
