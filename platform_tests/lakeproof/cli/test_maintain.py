from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from lakeproof import Lakehouse, audit, maintenance
from lakeproof.cli.execute import dagster_instance
from lakeproof.cli.locations import load_locations
from lakeproof.lake.catalog import Lake, default_home
from lakeproof.lake.files import run_of

if TYPE_CHECKING:
    from cli.conftest import Shell

READINGS = dg.AssetKey(["small", "readings"])
AUDITS = [audit.between("value", 0, 100).name, audit.references("sensor", "small.sensors", "sensor").name]
KILLED_COMMAND = Path(__file__).with_name("killed_command.py")
DAYS = ["2024-01-03", "2024-01-04"]


@pytest.fixture(autouse=True)
def sensors(shell: Shell) -> None:
    """Publish what the readings refer to."""
    assert shell("run", "small.sensors").code == 0


def reports(shell: Shell, *words: str) -> dict[str, Any]:
    """Run `maintain` and return what it says of the readings."""
    done = shell("maintain", "--json", *words)
    assert done.code == 0, done.err
    return {report["table"]: report for report in done.json}["small.readings"]


def killed(shell: Shell, moment: str, *words: str) -> None:
    """Run the command in a process of its own that is killed while it records."""
    command = [sys.executable, KILLED_COMMAND, moment, *words]
    ended = subprocess.run(command, cwd=shell.folder, env=os.environ, check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def recorded(day: str) -> dict[str, Any]:
    """Return what Dagster knows of a day: its latest data version, and the status of each audit that is current."""
    with dagster_instance() as instance:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(READINGS, asset_partitions=[day]), limit=1
        ).records
        if not records:
            return {}
        materialization = records[0].asset_materialization
        assert materialization is not None
        found: dict[str, Any] = {"version": (materialization.tags or {}).get("dagster/data_version")}
        for name in AUDITS:
            key = dg.AssetCheckKey(READINGS, name)
            checks = instance.event_log_storage.get_asset_check_execution_history(key, limit=20)
            for check in checks:
                evaluation = check.event.dagster_event.event_specific_data if check.event else None
                if isinstance(evaluation, dg.AssetCheckEvaluation) and evaluation.partition == day:
                    target = evaluation.target_materialization_data
                    current = target is not None and target.storage_id == records[0].storage_id
                    found.setdefault(name, check.status if current else None)
        return found


def statuses() -> list[dg.DagsterRunStatus]:
    """Return how Dagster shows its runs, the newest first."""
    with dagster_instance() as instance:
        return [run.status for run in instance.get_runs()]


def test_a_kill_between_commit_and_record_is_repaired_by_maintain(shell: Shell) -> None:
    """Published and not recorded: maintain records the days with their audits, and says so; a second time, nothing."""
    killed(shell, "before", "run", "small.readings", "--from", DAYS[0], "--to", DAYS[1])
    status = {line["table"]: line for line in shell("status", "--json").json}
    assert status["small.readings"]["published"] == len(DAYS)
    assert recorded(DAYS[0]) == {}

    looked = reports(shell, "--dry-run")
    assert recorded(DAYS[0]) == {}
    done = shell("maintain")

    assert looked["recorded"] == DAYS
    assert done.code == 0
    assert "published but not recorded; recorded in Dagster" in done.out
    for day in DAYS:
        found = recorded(day)
        assert len(found.pop("version")) > 20
        assert found == dict.fromkeys(AUDITS, Status.SUCCEEDED)
    assert reports(shell)["recorded"] == []


def test_a_run_that_was_killed_ends_as_failed(shell: Shell) -> None:
    """Dagster shows a killed run as started until maintain says that it is over; runs that ended stay as they are."""
    shell("run", "small.readings", "--day", DAYS[1])
    killed(shell, "before", "run", "small.readings", "--day", DAYS[0])
    assert statuses() == [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.SUCCESS]

    looked, before = shell("maintain", "--dry-run"), statuses()
    done = shell("maintain")

    assert "was killed; it would be recorded as failed" in looked.out
    assert before[0] == dg.DagsterRunStatus.STARTED
    assert "was killed; it is recorded as failed" in done.out
    repair, *others = statuses()
    assert repair == dg.DagsterRunStatus.SUCCESS  # what maintain recorded is told in a run of its own
    assert others == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.SUCCESS]
    assert "was killed" not in shell("maintain").out


def test_a_kill_between_commit_and_record_is_repaired_by_a_rerun(shell: Shell) -> None:
    """The next run of the same days finds them unchanged, and records them."""
    killed(shell, "between", "run", "small.readings", "--day", DAYS[0])

    again = shell("run", "small.readings", "--day", DAYS[0])

    assert again.code == 0
    assert "unchanged" in again.out
    found = recorded(DAYS[0])
    assert found.pop("version")
    assert found == dict.fromkeys(AUDITS, Status.SUCCEEDED)
    assert reports(shell)["recorded"] == []


def test_a_day_that_was_published_anew_is_recorded_anew(shell: Shell) -> None:
    """Dagster knows the day, but of the content before: maintain notices by the data version."""
    shell("run", "small.readings", "--day", DAYS[0])
    before = recorded(DAYS[0])["version"]
    shell.values(_2024_01_03=7)
    killed(shell, "before", "run", "small.readings", "--day", DAYS[0])
    assert recorded(DAYS[0])["version"] == before

    assert reports(shell, "small.readings")["recorded"] == [DAYS[0]]
    assert recorded(DAYS[0])["version"] != before


def test_maintain_says_what_stays_and_why(shell: Shell) -> None:
    """Nothing is removed of a lake that is in order, held days included, and readers see what they saw."""
    shell("run", "small.readings", "--day", DAYS[0])
    shell.values(_2024_01_04=-1)
    shell("run", "small.readings", "--day", DAYS[1])

    done = shell("maintain")

    assert done.code == 0
    assert re.search(r"kept: .*\d held.*\d published", done.out)
    assert "removed:" not in done.out
    assert "Readers see what they saw before" in done.out
    assert [line["day"] for line in shell("held", "--json").json] == [DAYS[1]]


def test_a_table_of_another_tool_is_refused(shell: Shell) -> None:
    """What Lakeproof did not make it does not clean: by name it is a refusal, and among all tables it is left out."""
    shell("run", "small.readings", "--day", DAYS[0])
    lake = Lake.local(default_home())
    lake.catalog.create_table("small.foreign", schema=lake.catalog.load_table("small.readings").schema())

    refused = shell("maintain", "small.foreign")

    assert refused.code == 2
    assert "small.foreign was not made by Lakeproof" in refused.err
    assert [report["table"] for report in shell("maintain", "--json").json] == ["small.readings", "small.sensors"]


def test_the_job_does_what_the_command_does(shell: Shell) -> None:
    """The scheduled job removes what a killed run left, records what it published, and runs daily by default."""
    shell("run", "small.readings", "--day", DAYS[0])
    (location,) = load_locations("workspace.yaml")
    lakehouse = Lakehouse(home=str(default_home()))
    stored = lakehouse.catalog.load_table("small.readings")
    orphan = Path(stored.location().removeprefix("file://")) / "evidence" / "20240101T000000000000-00000000.json"
    orphan.write_text("{}")
    os.utime(orphan, (0, 0))
    defs = dg.Definitions.merge(location.definitions, maintenance([made.asset for made in location.tables]))

    with dg.DagsterInstance.ephemeral() as instance:
        done = defs.resolve_job_def("lakeproof_maintenance").execute_in_process(instance=instance)
        partitions = instance.get_materialized_partitions(READINGS)

    assert done.success
    assert run_of(str(orphan))
    assert not orphan.exists()
    assert partitions == {DAYS[0]}
    (schedule,) = defs.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
