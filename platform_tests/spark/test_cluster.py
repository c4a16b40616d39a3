"""Jobs on a standalone cluster: that they run there, and what becomes of them when executors and workers are lost."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cluster import Cluster, cluster, wait_until

from lakeproof import Lakehouse
from lakeproof.errors import MakeError
from lakeproof.spark.launcher import Job, report_of
from lakeproof.spark.process import SparkSubmit
from lakeproof.testing import given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Plant, Run

HERE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.executor.memory": "512m",
}


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster with one worker."""
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def plant(workers: Cluster, plant_of: type[Plant]) -> Plant:
    """Return a plant with an old day, whose jobs go to the cluster."""
    made = plant_of(Lakehouse.in_memory(), SparkSubmit(workers.url))
    made.give(1, 2, days=1)
    given(made.lakehouse, made.readings, [{"reading_date": made.day(1), "sensor": "a", "value": 77}])
    return made


def run(plant: Plant, folder: Path, **options: Any) -> Run:
    """Run the job."""
    conf = {**HERE, "spark.lakeproof.folder": str(folder)}
    return plant.run(job="on_executors.py", days=(1, 1), conf=conf, **options)


def staged(plant: Plant) -> list[Path]:
    """Return what is left of what jobs wrote."""
    return [path for path in plant.files() if "staging" in str(path)]


def meanwhile(folder: Path, doing: Callable[[], object]) -> threading.Thread:
    """Do something once a row is at an executor, and let the rows go on after it."""

    def wait_and_do() -> None:
        wait_until(lambda: list(folder.glob("begun-*")))
        doing()
        (folder / "go").touch()

    thread = threading.Thread(target=wait_and_do)
    thread.start()
    return thread


def test_a_job_goes_on_when_its_executor_is_killed(plant: Plant, workers: Cluster, tmp_path: Path) -> None:
    """Script and helper get to the executors; what the killed one had begun, another does, and the day is published."""
    lost = meanwhile(tmp_path, workers.kill_executors)

    done = run(plant, tmp_path)
    lost.join()

    assert done.refusal == ""
    assert f"on {workers.url}" in done.log
    assert any("Lost executor 0" in line for line in done.log)
    assert plant.values() == {plant.day(1): [1, 2]}
    assert not staged(plant)


def test_a_job_whose_cluster_is_gone_publishes_nothing(plant: Plant, workers: Cluster, tmp_path: Path) -> None:
    """Without a worker it waits, as for its turn, until its timeout; readers have the old day; with one, it works."""

    def end_worker() -> None:
        workers.processes[-1].kill()
        workers.kill_executors()

    lost = meanwhile(tmp_path, end_worker)

    done = run(plant, tmp_path, timeout=timedelta(seconds=25))
    lost.join()

    assert "was stopped after 0:00:25" in done.refusal
    assert "\nReaders: see what they saw before this run\n" in done.refusal
    assert plant.values() == {plant.day(1): [77]}
    assert not staged(plant)
    workers.processes.pop().wait()
    workers.add_worker()
    assert run(plant, tmp_path).refusal == ""
    assert plant.values() == {plant.day(1): [1, 2]}


def test_a_cluster_that_is_not_there_is_told() -> None:
    """What Spark 4.1 tells the job of a master that did not answer for a minute is not the reason; its log has that."""
    job = Job("plant.readings", "team:plant", "run", Path("readings.py"), {}, {}, timedelta(hours=1))
    what = "java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext."
    log = [
        "26/11/26 18:56:02 WARN StandaloneAppClient$ClientEndpoint: Failed to connect to master 127.0.0.1:9",
        "ERROR Backend: Application has been killed. Reason: All masters are unresponsive! Giving up.",
    ]

    with pytest.raises(MakeError, match="the cluster ended it: All masters are unresponsive! Giving up") as refusal:
        report_of(job, [{"lakeproof": {"failed": {"kind": "make", "what": what, "trace": what}}}], "", log)

    assert (
        refusal.value.next_step == "see that LAKEPROOF_SPARK names a cluster that is up, then run the same days again"
    )
