"""A platform process that is killed takes its Spark along."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeproof import Lakehouse
from lakeproof.spark.process import SparkSubmit
from lakeproof.testing import given

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from conftest import Plant

HERE = Path(__file__).parent
START_SECONDS = 90
END_SECONDS = 20


def commands(word: str) -> list[list[str]]:
    """Return the command lines of all processes that name something."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line.split("\0"))
    return found


def wait_until(true: Callable[[], object], seconds: float) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_job_ends_with_the_platform_that_started_it(
    plant_of: type[Plant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGKILL nothing of it runs on, readers see the old day, and the same command works."""
    home, jobs = tmp_path / "lake", tmp_path / "jobs"
    jobs.mkdir()
    shutil.copy(HERE / "jobs" / "waits.py", jobs)
    monkeypatch.setattr(Lakehouse, "is_temporary", property(lambda _: True))
    plant = plant_of(Lakehouse(home=str(home)), SparkSubmit("local[1]"))
    plant.give(1, 2, days=1)
    given(plant.lakehouse, plant.readings, [{"reading_date": plant.day(1), "sensor": "a", "value": 77}])
    script = str(jobs / "waits.py")
    environment: Any = {"PYTHONPATH": ":".join([str(HERE), str(HERE.parents[1] / "platform")])}
    with subprocess.Popen(
        [sys.executable, HERE / "killed_platform.py", home, jobs], env={**subprocess.os.environ, **environment}
    ) as platform:
        wait_until(lambda: any("python" in line[0] and line[1] == script for line in commands(script)), START_SECONDS)
        platform.kill()

    wait_until(lambda: not commands(script), END_SECONDS)
    assert plant.values() == {plant.day(1): [77]}
    assert plant.run(days=(1, 1)).refusal == ""
    assert plant.values() == {plant.day(1): [1, 2]}
