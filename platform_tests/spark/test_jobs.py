"""A table that a Spark job makes keeps every promise: what the job does wrong publishes nothing, and leaves nothing."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakeproof import Column, audit
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.live import View
from lakeproof.lake.upkeep import upkeep
from lakeproof.testing import given

if TYPE_CHECKING:
    from conftest import Plant


def test_a_job_makes_days_that_readers_see(plant: Plant) -> None:
    """One job makes all days of a run; they are audited and published as any others, and nothing is left over."""
    plant.give(1, 2, 3)

    done = plant.run()

    assert done.refusal == ""
    assert plant.values() == {plant.day(1): [1, 2, 3], plant.day(2): [1, 2, 3]}
    assert done.checks(plant.day(1)) == {"not_empty": True, "between_value": True, "unique": True}
    assert sum("Spark 4" in line for line in done.log) == 1
    assert plant.files() == []
    assert not upkeep(plant.lakehouse.catalog.load_table("plant.readings")).removed


def test_a_job_sees_the_days_of_its_window_and_no_others(plant: Plant) -> None:
    """The files that a job is given are those of its window."""
    plant.give(1, days=3)

    plant.run(days=(2, 2))

    assert plant.values() == {plant.day(2): [1]}


def test_an_audit_that_spark_asked_holds_the_day(plant: Plant) -> None:
    """A bad day is held with the rows at fault, beside a good one that is published."""
    rows = [(plant.day(1), "a", 5), (plant.day(2), "a", 500), (plant.day(2), "b", 7)]
    given(
        plant.lakehouse,
        plant.raw,
        pl.DataFrame(rows, schema=["reading_date", "sensor", "value"], orient="row").with_columns(
            pl.col("value").cast(pl.Int32)
        ),
    )

    done = plant.run()

    assert plant.values() == {plant.day(1): [5]}
    assert "held: between_value: value from 0 to 100: 1 of 2 rows" in done.refusal
    found = [check for check in done.result.get_asset_check_evaluations() if not check.passed]
    assert [(check.check_name, check.partition) for check in found] == [("between_value", "2024-01-02")]
    assert "500" in str(found[0].metadata)


def test_what_comes_twice_is_found_where_it_is(plant: Plant) -> None:
    """`unique` is decided by Spark alone, and says how many rows are at fault."""
    plant.give(1, 2)

    assert "unique: (reading_date, sensor, value) is unique: 4 of 4 rows" in plant.run("twice").refusal
    assert plant.values() == {}


def test_a_rerun_with_equal_content_is_nothing_to_do(plant: Plant) -> None:
    """Spark's digest of the same rows is the same, in whatever files they come."""
    plant.give(1, 2, 3)
    plant.run()
    before = plant.lakehouse.catalog.load_table("plant.readings").current_snapshot()

    done = plant.run()

    assert done.refusal == ""
    assert plant.lakehouse.catalog.load_table("plant.readings").current_snapshot() == before
    assert plant.files() == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raise", "ValueError: the sensor's calibration is unknown"),
        ("exit", "ended with exit code 7"),
        ("kill", "was killed by SIGKILL"),
        ("another day", "rows of 2025-02-04, 2025-02-05, which the run is not about"),
        ("null day", "rows whose reading_date is null"),
        ("no column", "column value is missing"),
        ("another type", "column value is string, not int"),
        ("empty", "not_empty: there are rows"),
    ],
)
def test_a_job_that_goes_wrong_publishes_nothing(plant: Plant, fault: str, said: str) -> None:
    """Readers see what they saw, the refusal says what went wrong, and no file is left."""
    plant.give(1, 2)
    plant.run(days=(1, 1))

    done = plant.run(fault)

    assert said in done.refusal
    assert "Next:" in done.refusal
    assert plant.values() == {plant.day(1): [1, 2]}
    assert [path for path in plant.files() if fault != "empty"] == []


def test_a_job_that_hangs_is_stopped(plant: Plant) -> None:
    """A job has a longest time, and what it started ends with it."""
    plant.give(1)

    done = plant.run("hang", timeout=timedelta(seconds=8))

    assert "was stopped after 0:00:08" in done.refusal
    assert plant.values() == {}


def test_a_job_that_writes_elsewhere_publishes_nothing(plant: Plant, tmp_path: Any) -> None:
    """What it wrote elsewhere is no part of the stage: the day is empty, and held."""
    plant.give(1)

    done = plant.run("elsewhere", conf={"spark.lakeproof.elsewhere": str(tmp_path / "elsewhere")})

    assert "not_empty" in done.refusal
    assert plant.values() == {}
    assert list((tmp_path / "elsewhere").glob("*.parquet"))


def test_the_evidence_names_the_engine_and_the_inputs(plant: Plant) -> None:
    """Evidence of a job's days is as of all others: inputs with digests, files with theirs, verdicts, the code."""
    plant.give(1, 2)
    plant.run(days=(1, 1))

    table = plant.lakehouse.catalog.load_table("plant.readings")
    live = View.of(table).days[plant.day(1)]
    record = read_evidence(table, live.run or "")

    assert record is not None
    assert record["engine"].pop("seconds") > 0
    assert record["engine"] == {"name": "spark", "version": version("pyspark"), "launcher": "SparkConnect"}
    assert record["days"]["2024-01-01"]["content"]["key"].startswith("spark/xxhash64")
    assert record["days"]["2024-01-01"]["content"]["rows"] == 2
    assert [file["location"] for file in record["days"]["2024-01-01"]["files"]] == list(live.locations)
    assert record["inputs"]["raw"]["days"]["2024-01-01"]["rows"] == 2


def test_digits_of_doubles_are_those_that_are_declared(plant: Plant) -> None:
    """A double is rounded as it is cast, as in the process, so that parallel sums agree."""
    plant.options = {
        "columns": [Column("reading_date", "date"), Column("sensor", "string"), Column("value", "double", digits=1)]
    }
    plant.audits = [audit.between("value", 0, 100)]
    plant.give(1, 2)

    assert plant.run(days=(1, 1)).refusal == ""
    assert plant.values() == {plant.day(1): [1.0, 2.0]}
