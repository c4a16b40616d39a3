"""A real Spark that many tests share: a Connect server of the Spark beside this Python, on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest

from lakeproof import Column, Lakehouse, Table, audit, spark_table
from lakeproof.lake.live import View
from lakeproof.spark.process import SparkConnect
from lakeproof.testing import given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeproof.spark.launcher import Launcher

JOBS = Path(__file__).parent / "jobs"
FIRST = date(2024, 1, 1)
START_SECONDS = 180

# Spark takes a minute, and Java: for `make test-spark`.
collect_ignore_glob = [] if os.environ.get("LAKEPROOF_SPARK_TESTS") else ["test_*.py"]
COLUMNS = [Column("reading_date", "date"), Column("sensor", "string"), Column("value", "int")]
SCHEMA = {"reading_date": pl.Date, "sensor": pl.String, "value": pl.Int32}


@pytest.fixture(scope="session")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkConnect]:
    """Return where jobs find a Spark Connect server that is up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    command = [str(Path(sys.executable).with_name("spark-submit")), "--master", "local[2]"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    command += [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "spark-internal"],
            env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PATH": path},
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        try:
            _wait(port, server, folder / "log")
            yield SparkConnect(f"sc://127.0.0.1:{port}")
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:  # where SIGINT is ignored, Dagster lets SIGTERM be ignored, too
                server.kill()
                server.wait()


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as there:
            if there.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    msg = f"no Spark Connect server: {log.read_text()[-2000:]}"
    raise RuntimeError(msg)


@dataclass
class Plant:
    """A lake with raw readings, and a table that a Spark job makes of them.

    Args:
        lakehouse: The lake.
        launcher: Where Spark runs.
        audits: What the job's table is asked.
        options: Further parts of its contract.
    """

    lakehouse: Lakehouse
    launcher: Launcher
    audits: list[Any] = field(default_factory=lambda: [audit.between("value", 0, 100), audit.unique()])
    options: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def day(number: int) -> date:
        """Return the numbered day; 1 is the first."""
        return FIRST + timedelta(days=number - 1)

    @property
    def raw(self) -> Table:
        """The raw readings."""
        return self._declared("plant.raw", [audit.row_count(at_least=0)], allow_empty=True)

    @property
    def readings(self) -> Table:
        """What the job makes."""
        return self._declared("plant.readings", self.audits, **self.options)

    @staticmethod
    def _declared(name: str, audits: list[Any], **options: Any) -> Table:
        given = {"columns": COLUMNS, "key": ["reading_date", "sensor", "value"], "owner": "team:plant"} | options
        return Table(name, partition="reading_date", start=FIRST, layer="collection", audits=audits, **given)

    def give(self, *values: int | None, days: int = 2) -> None:
        """Publish raw readings, the same ones each day."""
        rows = [(self.day(number), "a", value) for number in range(1, days + 1) for value in values]
        given(self.lakehouse, self.raw, pl.DataFrame(rows, schema=SCHEMA, orient="row"))

    def asset(self, fault: str = "", job: str = "readings.py", **options: Any) -> dg.AssetsDefinition:
        """Return the job's asset; what is to go wrong with it is a setting."""
        conf = {"spark.lakeproof.fault": fault} | options.pop("conf", {})
        options = {"raw": self.raw, "launcher": self.launcher, "search_path": [JOBS]} | options
        return spark_table(self.readings, job, conf=conf, **options)

    def run(self, fault: str = "", days: tuple[int, int] = (1, 2), **options: Any) -> Run:
        """Materialize days, and return what came of it."""
        first, last = (self.day(number).isoformat() for number in days)
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        with dg.DagsterInstance.ephemeral() as instance:
            done = dg.materialize(
                [self.asset(fault, **options)],
                resources={"lakehouse": self.lakehouse},
                tags=tags,
                raise_on_error=False,
                instance=instance,
            )
            log = [entry.user_message for entry in instance.all_logs(done.run_id)]
        return Run(done, log)

    def values(self) -> dict[date, list[int]]:
        """Return what readers have, by day."""
        table = self.lakehouse.lake.find("plant.readings")
        if table is None or table.current_snapshot() is None:
            return {}
        rows = self.lakehouse.read(self.readings)
        return {day: sorted(rows.filter(reading_date=day)["value"]) for day in sorted(set(rows["reading_date"]))}

    def files(self) -> list[Path]:
        """Return every file of rows under the table's folder that no reader has."""
        table = self.lakehouse.catalog.load_table("plant.readings")
        live = {Path(path) for day in View.of(table).days.values() for path in day.paths}
        root = Path(table.location().removeprefix("file://"))
        return [path for path in root.rglob("*.parquet") if path not in live]


@dataclass(frozen=True)
class Run:
    """What came of a materialization.

    Args:
        result: Dagster's result.
        log: Every line of its log.
    """

    result: dg.ExecuteInProcessResult
    log: list[str]

    @property
    def refusal(self) -> str:
        """Why it failed, in the platform's words; empty when it did not."""
        failures = [event for event in self.result.all_events if event.event_type_value == "STEP_FAILURE"]
        return failures[0].event_specific_data.error.message if failures else ""  # type: ignore[union-attr]

    def checks(self, day: date) -> dict[str, bool]:
        """Return the verdict of each audit of a day."""
        return {
            found.check_name: found.passed
            for found in self.result.get_asset_check_evaluations()
            if found.partition == day.isoformat()
        }


@pytest.fixture
def plant(connect: SparkConnect) -> Plant:
    """Return an empty plant whose jobs run on the shared Spark."""
    return Plant(Lakehouse.in_memory(), connect)


@pytest.fixture
def plant_of() -> type[Plant]:
    """Return how to make a plant whose jobs run elsewhere."""
    return Plant
