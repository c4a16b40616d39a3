"""The launcher for EMR Serverless that docs/glue.md shows is one: it is typed as one, and does what is asked of one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.emrserverless.models import emrserverless_backends
from moto_glue import ACCOUNT, REGION, account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moto_glue import Account

    from conftest import Plant
    from lakeproof import Lakehouse

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "glue.md"
[SHOWN] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/jobs"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Account]:
    """Return an account of AWS."""
    with account(tmp_path) as served:
        yield served


@pytest.fixture
def plant(aws: Account, plant_of: type[Plant], lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Return a plant whose jobs go to an application of EMR Serverless."""
    monkeypatch.setattr("dagster._core.pipes.utils.WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 0)
    # moto's runs have succeeded as they start.
    monkeypatch.setattr("moto.emrserverless.models.JOB_STATUS", "RUNNING")
    made = boto3.client("emr-serverless").create_application(name="jobs", releaseLabel="emr-8.1.0", type="SPARK")
    names: dict[str, Any] = {}
    exec(SHOWN, names)  # noqa: S102 - our own page
    plant = plant_of(lakehouse, names["EmrServerless"](made["applicationId"], ROLE, "s3://jobs/emr", every=0.1))
    plant.give(1)
    assert aws.objects("jobs") == []
    return plant


def runs() -> list[Any]:
    """Return the job runs of all applications."""
    return [run for listed in emrserverless_backends[ACCOUNT][REGION].job_runs.values() for run in listed]


def test_a_run_is_started_followed_and_told(plant: Plant, aws: Account) -> None:
    """EMR gets script, helper and order; how the run ends is the refusal."""

    class Ending(type(plant.launcher)):  # type: ignore[misc]  # made by the page
        def run(self, context: Any, job: Any, beat: Callable[[], None]) -> dict[str, Any]:
            def end() -> None:
                beat()
                runs()[0].state, runs()[0].state_details = "FAILED", "no capacity"

            return dict(super().run(context, job, end))

    plant.launcher = Ending(*vars(plant.launcher).values())

    done = plant.run()

    assert "readings.py ended as FAILED in EMR, no capacity" in done.refusal
    [run] = runs()
    told = run.job_driver["sparkSubmit"]
    assert told["entryPoint"].endswith("/readings.py")
    assert told["entryPointArguments"][0] == "--dagster-pipes-context"
    assert re.fullmatch(
        r"--py-files s3://\S+/lakeproof_job.py --conf spark.lakeproof.fault=", told["sparkSubmitParameters"]
    )
    assert [key.rpartition("/")[2] for key in aws.objects("jobs")] == ["lakeproof_job.py", "readings.py"]


def test_a_run_is_cancelled(plant: Plant) -> None:
    """What interrupts the wait cancels the run."""

    class Interrupted(type(plant.launcher)):  # type: ignore[misc]  # made by the page
        def run(self, context: Any, job: Any, beat: Callable[[], None]) -> dict[str, Any]:
            def interrupt() -> None:
                beat()
                msg = "interrupted"
                raise RuntimeError(msg)

            return dict(super().run(context, job, interrupt))

    plant.launcher = Interrupted(*vars(plant.launcher).values())

    assert not plant.run().result.success
    assert [run.state for run in runs()] == ["CANCELLED"]


def test_it_is_typed_as_a_launcher(tmp_path: Path) -> None:
    """mypy, as strict as for the platform, takes it for a launcher."""
    page = tmp_path / "shown.py"
    typed = "from lakeproof.spark.launcher import Launcher\nlauncher: Launcher = EmrServerless('a', 'b', 'c')\n"
    page.write_text(f"{SHOWN}\n{typed}")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(page)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.stdout.startswith("Success"), done.stdout
