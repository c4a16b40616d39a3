"""A job in Glue, from the script to the rows that readers see; and everything that can happen to it on the way."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from moto_glue import account
from pyiceberg.catalog import load_catalog

from lakeproof import Lakehouse
from lakeproof.errors import UsageError
from lakeproof.lake.catalog import Lake
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.live import View
from lakeproof.spark.bucket import Bucket
from lakeproof.spark.configured import configured
from lakeproof.spark.glue import Glue, dpu_hours, minutes
from lakeproof.testing import given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from moto_glue import Account

    from conftest import Plant

JOB = "lakeproof-team-plant-plant.readings"


class LakeInBucket(Lakehouse):
    """A lake of a test's own, whose files lie in a bucket.

    Attributes:
        folder: Where the catalog lies.
        endpoint: Where S3 answers.
    """

    folder: str
    endpoint: str

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        catalog = load_catalog(
            "lake",
            **{
                "type": "sql",
                "uri": f"sqlite:///{self.folder}/catalog.db",
                "warehouse": "s3://lake/warehouse",
                "s3.endpoint": self.endpoint,
                "s3.region": os.environ["AWS_DEFAULT_REGION"],
                "s3.access-key-id": os.environ["AWS_ACCESS_KEY_ID"],
                "s3.secret-access-key": os.environ["AWS_SECRET_ACCESS_KEY"],
            },
        )
        catalog.create_tables()
        return Lake(catalog, "the test's bucket")

    @property
    def is_temporary(self) -> bool:
        """Whether rows may be put here without audits: they may."""
        return True


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Account]:
    """Return an account of AWS that runs jobs."""
    with account(tmp_path) as served:
        yield served


@pytest.fixture
def plant(aws: Account, tmp_path: Path, plant_of: type[Plant]) -> Plant:
    """Return a plant whose lake is in a bucket, with an old first day, and whose jobs run in Glue."""
    glue = Glue(
        "s3://jobs/of/lakeproof",
        "glue-role",
        every=timedelta(seconds=0.3),
        patience=timedelta(seconds=2),
    )
    made = plant_of(LakeInBucket(folder=str(tmp_path), endpoint=aws.endpoint), glue)
    made.give(1, 2)
    given(made.lakehouse, made.readings, [{"reading_date": made.day(1), "sensor": "a", "value": 77}])
    return made


@pytest.fixture
def no_wait() -> Iterator[pytest.MonkeyPatch]:
    """Wait no 10 seconds for the messages of a job that left none, until that is undone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dagster._core.pipes.utils.WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 0)
        yield patch


def test_a_job_goes_through_glue_to_readers(aws: Account, plant: Plant, no_wait: pytest.MonkeyPatch) -> None:
    """What timed out, and was deleted, is run again; throttled, its answer lost, it starts once, and is published."""
    for ending in (_ending("TIMEOUT"), _deleted(aws)):
        aws.executes = ending
        assert plant.run().refusal
        assert plant.values() == {plant.day(1): [77]}
    aws.executes = None
    no_wait.undo()
    throttled = ["ThrottlingException"]
    aws.refusals = {
        "get_job": [*throttled],
        "start_job_run": [*throttled, "ConcurrentRunsExceededException"],
        "get_job_run": [*throttled],
    }
    aws.lost = {"start_job_run"}

    done = plant.run(conf={"spark.sql.shuffle.partitions": "3", "spark.sql.session.timeZone": "UTC"})

    assert done.refusal == ""
    assert plant.values() == {plant.day(1): [1, 2], plant.day(2): [1, 2]}
    assert done.checks(plant.day(1)) == {"not_empty": True, "between_value": True, "unique": True}
    [run] = aws.runs
    assert run.job_name == JOB
    assert run.arguments["--ds"] == "2024-01-01"
    assert run.arguments["--windows"] == "2024-01-01/2024-01-03"
    assert run.arguments["--scriptLocation"].startswith("s3://jobs/of/lakeproof/code/")
    assert aws.jobs[JOB].timeout == 12 * 60
    assert [line for line in done.log if line == "readings of 2024-01-01"]
    table = plant.lakehouse.catalog.load_table("plant.readings")
    record = read_evidence(table, View.of(table).days[plant.day(1)].run or "")
    assert record is not None
    engine = record["engine"]
    assert (engine["name"], engine["launcher"], engine["job"]) == ("spark", "Glue", JOB)
    assert engine["run"] == run.job_run_id
    assert engine["version"].startswith("4.1")
    assert 0 < engine["dpu_hours"] < 0.2
    [event] = [e for e in done.result.get_asset_materialization_events() if e.partition == "2024-01-01"]
    assert event.materialization.metadata["engine: dpu_hours"].value == engine["dpu_hours"]
    told = [e.materialization.metadata for e in done.result.get_asset_materialization_events()]
    assert sum(metadata["used: DPU-hours"].value for metadata in told) == pytest.approx(engine["dpu_hours"])
    assert all("used: cluster seconds" not in metadata for metadata in told)
    assert [key for key in aws.objects("jobs") if "/code/" not in key] == []
    assert [key for key in aws.objects("lake") if "/staging/" in key and not key.endswith("/")] == []


def test_the_error_of_spark_is_told(aws: Account, plant: Plant) -> None:
    """What the script raised is the refusal, and not the exit code that Glue tells."""
    done = plant.run("raise")

    assert "readings.py: ValueError: the sensor's calibration is unknown" in done.refusal
    assert "exit code" not in done.refusal
    assert aws.runs[0].status == "FAILED"
    assert plant.values() == {plant.day(1): [77]}


@pytest.mark.usefixtures("no_wait")
def test_a_run_that_is_cancelled_stops_in_glue(aws: Account, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log is seen while it is at work; terminating the Dagster run stops the job run, and its process."""
    say = aws.say

    def say_and_interrupt(run: Any, kind: str, *lines: str) -> None:
        say(run, kind, *lines)
        if "waiting" in lines:
            threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT)).start()

    monkeypatch.setattr(aws, "say", say_and_interrupt)

    done = plant.run(job="waits.py")

    assert not done.result.success
    assert "waiting" in done.log
    assert aws.runs[0].status == "STOPPED"
    assert plant.values() == {plant.day(1): [77]}
    assert [key for key in aws.objects("jobs") if "/code/" not in key] == []


@pytest.mark.usefixtures("no_wait")
def test_how_a_run_ended_is_told(aws: Account, plant: Plant) -> None:
    """Each end that says nothing of the script says what to do, and readers see the old day."""
    for state, message, remedy in (
        ("TIMEOUT", "the timeout of the job is over", "give the table's job a longer timeout"),
        ("STOPPED", "", "find out who stopped it"),
        ("ERROR", "the job was deleted", "look at the job in Glue's console"),
        ("EXPIRED", "no room for a day", "wait until Glue has room"),
    ):
        aws.executes = _ending(state, message)

        done = plant.run()

        assert f"ended as {state} in Glue ({JOB}, run jr_" in done.refusal
        assert message in done.refusal
        assert f"Next: {remedy}" in done.refusal
        assert plant.values() == {plant.day(1): [77]}


@pytest.mark.usefixtures("no_wait")
def test_a_driver_that_died_is_told_by_its_log(aws: Account, plant: Plant) -> None:
    """A run that leaves no report is told by the last cause in its log, which Glue's message hides."""

    def out_of_memory(run: Any) -> tuple[str, str]:
        aws.say(run, "error", "java.lang.OutOfMemoryError: Java heap space", "\tat java.base/java.util.Arrays.copyOf")
        return "FAILED", "Command failed with exit code 137"

    aws.executes = out_of_memory

    assert "java.lang.OutOfMemoryError: Java heap space" in plant.run().refusal


@pytest.mark.usefixtures("no_wait")
def test_a_job_that_is_deleted_under_way_is_made_anew(aws: Account, plant: Plant) -> None:
    """The run is refused and says so; the next one makes the job again, and starts."""
    aws.executes = _deleted(aws)

    done = plant.run()

    assert "cannot be followed" in done.refusal
    assert "EntityNotFoundException" in done.refusal
    assert "Next: find out who deleted it; run the same days again" in done.refusal
    assert plant.values() == {plant.day(1): [77]}
    aws.executes = _ending("TIMEOUT", "it ran")
    assert "it ran" in plant.run().refusal
    assert aws.calls.count("create_job") == 2


@pytest.mark.usefixtures("no_wait")
def test_a_run_whose_start_was_not_answered_is_found(aws: Account, plant: Plant) -> None:
    """Glue started it, and its answer was lost: it is followed, and no second one writes beside it."""
    aws.lost = {"start_job_run"}
    aws.executes = _ending("TIMEOUT", "it ran")

    assert "it ran" in plant.run().refusal
    assert len(aws.runs) == 1


@pytest.mark.usefixtures("no_wait")
def test_a_job_is_changed_when_its_definition_is(aws: Account, plant: Plant) -> None:
    """The same definition changes nothing; another, or another script, does, and the run names its own script."""
    aws.executes = _ending("TIMEOUT")
    plant.run()
    plant.run()
    assert "update_job" not in aws.calls

    plant.launcher = Glue(
        "s3://jobs", "glue-role", workers=4, definition={"DefaultArguments": {"--enable-metrics": ""}}
    )
    plant.run(job="waits.py")

    assert aws.calls.count("update_job") == 1
    assert aws.jobs[JOB].number_of_workers == 4
    assert set(aws.jobs[JOB].default_arguments) >= {"--enable-metrics", "--additional-python-modules"}
    assert aws.runs[-1].arguments["--scriptLocation"].endswith("/waits.py")


@pytest.mark.usefixtures("no_wait")
def test_a_log_that_may_not_be_read_fails_no_job(aws: Account, plant: Plant) -> None:
    """The run is followed without it, and says so once."""
    aws.executes = _ending("TIMEOUT", "it ran")
    aws.refusals = {"get_log_events": ["AccessDeniedException"] * 100}

    done = plant.run()

    assert "it ran" in done.refusal
    assert sum("its log cannot be read" in line for line in done.log) == 1


def test_a_bucket_that_is_not_there_is_told(aws: Account, plant: Plant) -> None:
    """Nothing is started, and the refusal names the bucket."""
    plant.launcher = Glue("s3://nowhere", "glue-role")

    done = plant.run()

    assert "readings.py cannot be put into s3://nowhere" in done.refusal
    assert "Next: see that the bucket is there" in done.refusal
    assert aws.calls == []


def test_glue_does_not_see_this_machine(plant: Plant) -> None:
    """A lake in a folder is refused before anything is started."""
    plant.lakehouse = Lakehouse.in_memory()
    plant.give(1)

    assert "Glue sees files in buckets, and not " in plant.run().refusal


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize("call", ["get_job", "start_job_run", "get_job_run"])
def test_throttling_without_end_is_told(aws: Account, plant: Plant, call: str) -> None:
    """Glue is asked for as long as patience says; then the run is refused, and what was started is stopped."""
    aws.refusals = {call: ["ThrottlingException"] * 100}
    aws.executes = _until_stopped

    done = plant.run()

    assert "ThrottlingException" in done.refusal
    assert "Next: Glue was asked for 0:00:02; run the same days again later" in done.refusal
    assert aws.calls.count(call) > 2
    assert [run.status for run in aws.runs] == (["STOPPED"] if call == "get_job_run" else [])
    assert plant.values() == {plant.day(1): [77]}


@pytest.mark.parametrize(
    ("run", "hours"),
    [
        ({"MaxCapacity": 10.0, "ExecutionTime": 360}, 1.0),
        ({"MaxCapacity": 10.0, "ExecutionTime": 360, "DPUSeconds": 1800.0}, 0.5),
        ({"MaxCapacity": 2.0}, 0.0),
    ],
)
def test_dpu_hours(run: dict[str, float], hours: float) -> None:
    """What Glue counted goes before what the run could have used."""
    assert dpu_hours(run) == hours


@pytest.mark.parametrize(("seconds", "whole"), [(1, 1), (60, 1), (61, 2), (12 * 3600, 720)])
def test_a_timeout_is_whole_minutes(seconds: int, whole: int) -> None:
    """Glue counts in minutes, and a job has no less than it was given."""
    assert minutes(timedelta(seconds=seconds)) == whole


def test_glue_is_chosen_by_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables make the launcher; what is missing or wrong is named."""
    monkeypatch.setenv("LAKEPROOF_SPARK", "glue")
    with pytest.raises(UsageError, match="needs LAKEPROOF_GLUE_ROLE and LAKEPROOF_GLUE_SCRIPTS"):
        configured()
    monkeypatch.setenv("LAKEPROOF_GLUE_ROLE", "glue-role")
    monkeypatch.setenv("LAKEPROOF_GLUE_SCRIPTS", "s3://jobs/of")
    assert configured() == Glue("s3://jobs/of", "glue-role")
    monkeypatch.setenv("LAKEPROOF_GLUE_WORKERS", "10")
    monkeypatch.setenv("LAKEPROOF_GLUE_WORKER_TYPE", "G.2X")
    monkeypatch.setenv("LAKEPROOF_GLUE_VERSION", "7.0")
    assert configured() == Glue("s3://jobs/of", "glue-role", version="7.0", worker_type="G.2X", workers=10)
    monkeypatch.setenv("LAKEPROOF_GLUE_WORKERS", "many")
    with pytest.raises(UsageError, match="'many' is no number of workers"):
        configured()
    with pytest.raises(UsageError, match="is no place in a bucket"):
        Bucket("jobs/of")


def _ending(state: str, message: str = "") -> Callable[[Any], tuple[str, str]]:
    """Return a run that ends at once."""
    return lambda _: (state, message)


def _deleted(aws: Account) -> Callable[[Any], tuple[str, str]]:
    """Return a run whose job is deleted under way."""

    def deleted(run: Any) -> tuple[str, str]:
        del aws.jobs[run.job_name]
        return "STOPPED", ""

    return deleted


def _until_stopped(run: Any) -> tuple[str, str]:
    while run.status != "STOPPING":
        time.sleep(0.05)
    return "STOPPED", ""
