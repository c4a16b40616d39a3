"""Jobs by `spark-submit` and in a session of this process: that they start, and what is said when they cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import dagster as dg
import pytest

from lakeproof import Lakehouse
from lakeproof.asset import table_assets
from lakeproof.errors import UsageError
from lakeproof.spark.configured import configured
from lakeproof.spark.process import SparkConnect, SparkSubmit
from lakeproof.spark.session import SparkHere
from lakeproof.stewardship.advice import Cluster
from lakeproof.stewardship.valuing import made_on_record
from lakeproof.verify import verify

if TYPE_CHECKING:
    from conftest import Plant


@pytest.fixture
def alone(plant_of: type[Plant]) -> Plant:
    """Return an empty plant whose jobs each start a Spark of their own."""
    return plant_of(Lakehouse.in_memory(), SparkSubmit("local[2]"))


def test_a_job_by_spark_submit_is_published_and_verified(alone: Plant) -> None:
    """A day that a job made is made again by another, and is the same."""
    alone.give(1, 2, 3)
    done = alone.run(days=(1, 1))
    assert done.refusal == ""
    assert any("readings of 2024-01-01" in line for line in done.log)

    (made,) = table_assets(alone.asset().keys)
    (found,) = verify(alone.lakehouse.lake, made)

    assert (found.state, found.reasons) == ("identical", ())


def test_a_job_on_this_machine_is_counted_by_its_processors(alone: Plant) -> None:
    """Spark is a child of the process: the operating system counts it, and no cluster was at work."""
    alone.give(1, 2, 3)

    done = alone.run(days=(1, 1))

    (event,) = done.result.get_asset_materialization_events()
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    assert metadata["used: processor seconds"] > metadata["engine: seconds"] > 0
    assert metadata["used: bytes read"] > 0
    assert metadata["used: bytes written"] == metadata["bytes"]
    assert "used: cluster seconds" not in metadata


def test_how_many_rows_a_job_takes_is_on_record(alone: Plant) -> None:
    """As many as it read, which the evidence of its run says."""
    alone.give(1, 2, 3)
    name = alone.readings.name
    with dg.DagsterInstance.ephemeral() as instance:
        alone.run(days=(1, 1))
        made = made_on_record(instance, alone.lakehouse.lake, [name], datetime.now(UTC))

    assert made[name].cluster == Cluster(name, "spark", 3)


def test_a_job_elsewhere_is_counted_by_its_clusters_seconds(plant_of: type[Plant]) -> None:
    """As long as the job says that Spark was there; one that failed, as long as it took."""

    class Elsewhere(SparkSubmit):
        is_local = False

    plant = plant_of(Lakehouse.in_memory(), Elsewhere("local[2]"))
    plant.give(1, 2, 3)

    done, failed = plant.run(days=(1, 1)), plant.run("raise", days=(1, 1))

    (event,) = done.result.get_asset_materialization_events()
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    assert metadata["used: cluster seconds"] == pytest.approx(metadata["engine: seconds"])
    (failure,) = [e.step_failure_data.user_failure_data for e in failed.result.all_events if e.is_step_failure]
    assert failure.metadata["used: cluster seconds"].value > metadata["engine: seconds"]


def test_without_java_the_refusal_says_so(alone: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is published, and the remedy names Java."""
    alone.give(1)
    for tool in ("bash", "dirname", "python3", "cat", "env", "sh", "uname", "ps", "sed"):
        found = subprocess.run(["/usr/bin/which", tool], capture_output=True, text=True, check=False).stdout.strip()
        if found:
            (tmp_path / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    refusal = alone.run(days=(1, 1)).refusal

    assert "install Java 17 or 21, or set JAVA_HOME" in refusal
    assert "Readers: see what they saw before this run" in refusal
    assert alone.values() == {}


def test_a_class_that_no_jar_has_is_named(alone: Plant) -> None:
    """A jar that does not match Spark, or is not there, is told by what is missing."""
    alone.give(1)

    refusal = alone.run(days=(1, 1), conf={"spark.extraListeners": "org.example.Missing"}).refusal

    assert "org.example.Missing" in refusal
    assert "add the jar that has the class" in refusal


def test_a_java_that_spark_does_not_run_on_is_told(alone: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer Java than Spark 4.1 knows starts, and then fails in Hadoop: the remedy names the versions."""
    newer = next(iter(sorted(Path("/usr/lib/jvm").glob("*-2[4-9]-*"))), None)
    if newer is None:
        pytest.skip("no Java 24 or later under /usr/lib/jvm")
    alone.give(1)
    monkeypatch.setenv("JAVA_HOME", str(newer))

    refusal = alone.run(days=(1, 1)).refusal

    assert "Next: set JAVA_HOME to Java 17 or 21" in refusal
    assert "Readers: see what they saw before this run" in refusal
    assert alone.values() == {}


def test_a_jar_of_a_newer_java_is_told(alone: Plant, tmp_path: Path) -> None:
    """An older Java than a jar was built for says so, and the remedy names the versions that Spark runs on."""
    alone.give(1)
    with ZipFile(tmp_path / "newer.jar", "w") as jar:
        # A class file of version 99, of which no Java reads more than these bytes.
        jar.writestr("Newer.class", bytes.fromhex("cafebabe00000063000100000000000000000000000000"))
    conf = {"spark.jars": str(tmp_path / "newer.jar"), "spark.extraListeners": "Newer"}

    refusal = alone.run(days=(1, 1), conf=conf).refusal

    assert "UnsupportedClassVersionError" in refusal
    assert "Next: set JAVA_HOME to Java 17 or 21" in refusal
    assert alone.values() == {}


def test_a_jar_that_was_built_for_another_spark_is_told(alone: Plant, tmp_path: Path) -> None:
    """It calls what this Spark does not have, and the remedy says which jars to use."""
    java = Path(os.environ.get("JAVA_HOME") or Path(shutil.which("java") or "").resolve().parents[1])
    if not (java / "bin" / "javac").exists():
        pytest.skip("this Java has no compiler")
    alone.give(1)
    spark = "org.apache.spark"
    sources = {
        "SparkConf": f"package {spark}; public class SparkConf {{ public void gone() {{}} }}",
        "SparkListener": f"package {spark}.scheduler; public class SparkListener {{}}",
        "Other": f"public class Other extends {spark}.scheduler.SparkListener "
        f"{{ public Other({spark}.SparkConf conf) {{ conf.gone(); }} }}",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.java").write_text(source)
    subprocess.run([java / "bin" / "javac", *tmp_path.glob("*.java")], check=True)
    with ZipFile(tmp_path / "other.jar", "w") as jar:
        jar.write(tmp_path / "Other.class", "Other.class")
    settings = {"spark.jars": str(tmp_path / "other.jar"), "spark.extraListeners": "Other"}

    refusal = alone.run(days=(1, 1), conf=settings).refusal

    assert "NoSuchMethodError: 'void org.apache.spark.SparkConf.gone()'" in refusal
    assert "Next: use jars that were built for this version of Spark" in refusal
    assert alone.values() == {}


def test_without_spark_submit_the_refusal_says_what_to_install(
    alone: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The variable that names it is looked at first."""
    alone.give(1)
    monkeypatch.setenv("LAKEPROOF_SPARK_SUBMIT", str(tmp_path / "spark-submit"))

    refusal = alone.run(days=(1, 1)).refusal

    assert "no spark-submit at" in refusal
    assert "install lakeproof[spark]" in refusal


@pytest.mark.parametrize(
    ("where", "launcher"),
    [
        ("", SparkSubmit()),
        ("local[3]", SparkSubmit("local[3]")),
        ("spark://host:7077", SparkSubmit("spark://host:7077")),
        ("sc://host:15002", SparkConnect("sc://host:15002")),
        ("session", SparkHere()),
    ],
)
def test_one_variable_says_where_spark_runs(where: str, launcher: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the words of Spark's own masters."""
    monkeypatch.setenv("LAKEPROOF_SPARK", where)

    assert configured() == launcher


def test_a_place_where_spark_does_not_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that is none is not taken for a host."""
    monkeypatch.setenv("LAKEPROOF_SPARK", "databricks")

    with pytest.raises(UsageError, match="no place where Spark runs"):
        configured()


def test_a_session_of_this_process_serves_one_run_after_the_other() -> None:
    """Interactive work pays for Spark's start once; in a process of its own, for a session lasts as long as that."""
    program = Path(__file__).with_name("two_runs_in_a_session.py")

    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr[-2000:]
    first, both = {"2024-01-01": [1, 2]}, {"2024-01-01": [1, 2], "2024-01-02": [1, 2]}
    assert done.stdout.splitlines()[-1] == f"{first} {both} 1 session"
