"""Line items by the day on which they were shipped, by a Spark job: through the platform, and straight to Iceberg."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from jobs import lineitem

from lakeproof import Lakehouse, Table, audit, daily_table, spark_table
from lakeproof.asset import table_assets
from lakeproof.journey import Asked, take
from lakeproof.spark.process import ALONE, SparkConnect, SparkSubmit

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

    from lakeproof.spark.launcher import Launcher

FIRST, LAST = date(1992, 1, 2), date(1998, 12, 1)
"""The days on which line items were shipped (TPC-H specification, 4.2.3)."""

ROOT = Path(__file__).parents[3]
FILES = "spark.lakeproof.lineitem.files"
AUDITS = [*(one for one in lineitem.AUDITS if one.name != "row_count"), audit.between("l_tax", 0, 0.08)]
START_SECONDS = 120
MEMORY = {"spark.driver.memory": "8g"}
"""Iceberg's writer holds a file open for each of the 2,526 days."""


def make(rows: int, folder: str) -> dict[str, Any]:
    """Write line items as one Parquet file, nothing when it is there."""
    target = Path(folder) / f"lineitem-{rows}.parquet"
    if not target.exists():
        part = Path(folder) / f"part-{rows}"
        generator = Path(sys.executable).parent / "tpchgen-cli"
        scale = f"{rows / lineitem.ROWS_A_SCALE:.5f}"
        command = [generator, "parquet", "-s", scale, "-T", "lineitem", "-o", part, "--quiet"]
        subprocess.run(command, check=True, timeout=1_800)
        (part / "lineitem.parquet").rename(target)
    return {"path": str(target), "rows": pl.scan_parquet(target).select(pl.len()).collect().item()}


def contract(name: str) -> Table:
    """Return the table: a line item belongs to the day on which it was shipped."""
    return Table(
        name,
        columns=lineitem.COLUMNS,
        partition="l_shipdate",
        layer="benchmarks",
        start=FIRST,
        end=LAST + timedelta(days=1),
        owner="team:benchmarks",
        key=["l_orderkey", "l_linenumber"],
        audits=AUDITS,
        allow_empty=True,  # of few line items, none is shipped on some days
        properties={"write.parquet.compression-codec": "zstd", "write.parquet.compression-level": str(lineitem.LEVEL)},
    )


def through(home: str, path: str, rows: int, master: str = "local[2]") -> dict[str, Any]:
    """Stage, audit and publish all days by one job, its start included."""
    return _taken(home, _job(path, SparkSubmit(master), **MEMORY), FIRST, LAST, rows)


def straight(home: str, path: str) -> dict[str, Any]:
    """Let the same job write to an Iceberg table by itself, and scan what it wrote once, its start included."""
    jars = ",".join(map(str, (ROOT / ".venv" / "spark" / "jars").glob("iceberg-spark-runtime-*.jar")))
    submit = Path(sys.executable).with_name("spark-submit")
    settings = {
        "spark.jars": jars,
        **ALONE,
        **MEMORY,
        "spark.log.level": "WARN",
        "spark.sql.catalog.here": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.here.type": "hadoop",
        "spark.sql.catalog.here.warehouse": home,
        FILES: path,
    }
    command = [str(submit), "--master", "local[2]", *(f"--conf={name}={value}" for name, value in settings.items())]
    began = time.monotonic()
    script = str(Path(__file__).with_name("straight_to_iceberg.py"))
    done = subprocess.run([*command, script], env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    return {"seconds": time.monotonic() - began, "rows": int(done.stdout.split()[-1])}


def in_process(home: str, path: str, rows: int) -> dict[str, Any]:
    """Take the same days through the process, without Spark."""

    @daily_table(contract("bench.here"))
    def here(window: Any) -> pl.LazyFrame:
        return pl.scan_parquet(path).filter(pl.col("l_shipdate").is_between(window.first, window.last))

    return _taken(home, here, FIRST, LAST, rows)


def warm(home: str, path: str, rounds: int) -> dict[str, Any]:
    """Run a day through a Spark Connect server that is up, again and again: what comes on top of the job's own time."""
    over, days = [], [FIRST + timedelta(days=40 + number) for number in range(rounds + 1)]
    with _connect_server() as url:
        for day in days:
            took = _taken(home, _job(path, SparkConnect(url)), day, day, None)
            over.append(took["seconds"] - took["job"])
    return {"over": over[1:]}


def _job(path: str, launcher: Launcher, **memory: str) -> dg.AssetsDefinition:
    return spark_table(
        contract("bench.there"),
        "lineitem_day.py",
        search_path=[ROOT / "jobs"],
        launcher=launcher,
        conf={FILES: path, **memory},
    )


def _taken(home: str, asset: dg.AssetsDefinition, first: date, last: date, rows: int | None) -> dict[str, Any]:
    """Take days through the journey, and return how long it took."""
    (made,) = table_assets(asset.keys)
    lake = Lakehouse(home=home).lake
    days = tuple(first + timedelta(days=number) for number in range((last - first).days + 1))
    began = time.monotonic()
    outcome = take(lake, made, days, Asked())
    seconds = time.monotonic() - began
    published = sum(day.rows or 0 for day in outcome.of("published"))
    if outcome.exit_code or (rows is not None and published != rows):
        msg = f"published {published:,} rows of {rows}: {'; '.join(map(str, outcome.refusals()[:3]))}"
        raise RuntimeError(msg)
    return {"seconds": seconds, "steps": dict(outcome.seconds), "rows": published, "job": outcome.engine.get("seconds")}


def _environment() -> dict[str, str]:
    """Return what Spark's scripts need: its own Python first on the path, and no address but loopback."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "SPARK_LOCAL_IP": "127.0.0.1"}


@contextmanager
def _connect_server() -> Iterator[str]:
    """Run a Spark Connect server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        **ALONE,
    }
    submit = Path(sys.executable).with_name("spark-submit")
    command = [submit, "--master", "local[2]", *(f"--conf={name}={value}" for name, value in settings.items())]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    with subprocess.Popen(
        [str(part) for part in command], env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            until = time.monotonic() + START_SECONDS
            while time.monotonic() < until:
                with socket.socket() as there:
                    if there.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.2)
            yield f"sc://127.0.0.1:{port}"
        finally:
            server.terminate()
