"""One table, one Dagster run, in this process, against the Dagster home that the UI shows."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.execution import context_creation_job
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.utils import make_new_run_id
from sqlalchemy.exc import DatabaseError

from lakeproof.asset import IGNORE_READINESS_TAG
from lakeproof.errors import LakeproofError
from lakeproof.lake.catalog import default_home
from lakeproof.lake.faults import READERS
from lakeproof.lake.output import MAIN
from lakeproof.outcome import Outcome
from lakeproof.output_job import NAME as OUTPUT_JOB
from lakeproof.output_job import OP, output_jobs
from lakeproof.outputs.naming import default_output
from lakeproof.progress import listening
from lakeproof.recording import one_transaction
from lakeproof.spec import partition_tags
from lakeproof.stewardship.happened import STOPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from lakeproof.asset import TableAsset
    from lakeproof.cli.locations import Location


class RunError(LakeproofError):
    """A run ended without saying what became of its days."""


@dataclass(frozen=True)
class Beside:
    """A run to an output.

    Args:
        output: The output's name.
        as_table: A name for the output's line, as a table of its own; None for a branch.
        ignore_readiness: Why days whose inputs are not there are run all the same; None: they are not.
    """

    output: str
    as_table: str | None = None
    ignore_readiness: str | None = None


def dagster_home(output: str | None = None) -> Path:
    """Return the Dagster home, made ready: `DAGSTER_HOME`, else one under Lakeproof's home, another for each output.

    Args:
        output: The output; by default that of this process.
    """
    home = _home(output)
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        shutil.copyfile(Path(__file__).parent.parent / "dagster.yaml", settings)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def has_record() -> bool:
    """Whether Dagster has a home here already: to look for what it recorded must not make one."""
    return (_home() / "dagster.yaml").exists()


def _home(output: str | None = None) -> Path:
    output = output or default_output()
    folder = "dagster" if output == MAIN else f"dagster-{output}"
    return Path(os.environ.get("DAGSTER_HOME") or default_home() / folder).resolve()


@contextmanager
def dagster_instance(output: str | None = None) -> Iterator[dg.DagsterInstance]:
    """Open Dagster's record.

    Args:
        output: Of which output; by default of that of this process.
    """
    home = dagster_home(output)
    with _record_faults():
        # Two commands that make Dagster's databases at once get in each other's way.
        with (home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            instance = dg.DagsterInstance.get()
            instance.get_runs_count()
        with instance:
            yield instance


def execute(
    instance: dg.DagsterInstance,
    location: Location,
    made: TableAsset,
    days: Sequence[date],
    listener: Callable[[object], None],
    how: str | Beside | None = None,
) -> Outcome:
    """Run one table for some consecutive days; none for an unpartitioned table.

    Args:
        instance: Dagster's record.
        location: The code location.
        made: The table.
        days: The days.
        listener: Is told the steps of the run.
        how: To an output, or why days whose inputs are not there are run all the same.

    Returns:
        What became of each day.

    Raises:
        LakeproofError: The run refused as a whole.
    """
    if isinstance(how, Beside):
        job, options = _beside(location, made, days, how)
    else:
        job = location.definitions.resolve_implicit_global_asset_job_def()
        days_tags = partition_tags(days[0], days[-1]) if days else {}
        options = {"asset_selection": [made.asset.key], "tags": days_tags | _tags(how)}

    def run() -> dg.ExecuteInProcessResult:
        return job.execute_in_process(instance=instance, run_id=make_new_run_id(), raise_on_error=False, **options)

    with _attributed(instance, location, job.name):
        return _outcome(made, listener, run)


def _beside(
    location: Location, made: TableAsset, days: Sequence[date], beside: Beside
) -> tuple[dg.JobDefinition, dict[str, Any]]:
    """Return the job that the UI has for runs to an output, and what to run it with for one table."""
    defs = dg.Definitions.merge(
        dg.Definitions(resources=location.definitions.resources, executor=dg.in_process_executor),
        output_jobs([made.asset]),
    )
    config: dict[str, Any] = {"output": beside.output, "tables": [made.table.name]}
    if days:
        config |= {"from": str(days[0]), "to": str(days[-1])}
    if beside.as_table:
        config["as_table"] = beside.as_table
    options = {"run_config": {"ops": {OP: {"config": config}}}, "tags": _tags(beside.ignore_readiness)}
    return defs.resolve_job_def(OUTPUT_JOB), options


def _tags(ignore_readiness: str | None) -> dict[str, str]:
    return {IGNORE_READINESS_TAG: ignore_readiness} if ignore_readiness else {}


def _outcome(
    made: TableAsset, listener: Callable[[object], None], run: Callable[[], dg.ExecuteInProcessResult]
) -> Outcome:
    """Return what became of each day of a run; the run itself tells it, since Dagster's result does not."""
    outcomes: list[Outcome] = []
    refusals: list[LakeproofError] = []

    def listen(event: object) -> None:
        if isinstance(event, Outcome):
            outcomes.append(event)
        elif isinstance(event, LakeproofError):
            refusals.append(event)
        else:
            listener(event)

    with _record_faults(), listening(listen), _quiet():
        result = run()
    if _interrupted(result):
        raise KeyboardInterrupt
    if refusals and not outcomes:
        raise refusals[-1].with_traceback(None)
    if not outcomes:
        raise _unexplained(made, result, "the run broke")
    if not result.success and outcomes[0].exit_code == 0:
        raise _unexplained(made, result, "published, but Dagster's record of it broke")
    return outcomes[0]


def _interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a person stopped the run: Dagster records the interrupt as a failure of the step, and goes on."""
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return any(
        name in (cause.cls_name or "")
        for error in failures
        if error
        for cause in (error, error.cause)
        if cause
        for name in STOPPED
    )


def _unexplained(made: TableAsset, result: dg.ExecuteInProcessResult, what: str) -> RunError:
    """Return the innermost reason of a run that broke in a way nobody foresaw."""
    reason = "no reason was recorded"
    for event in result.all_events:
        if event.is_step_failure and (error := event.step_failure_data.error) is not None:
            while error.cause is not None:
                error = error.cause
            reason = error.message.strip()
    msg = f"{made.table.name}: {what}: {reason}"
    return RunError(
        msg,
        readers=READERS,
        next_step=f"run it again: what is published is found unchanged and recorded; see run {result.run_id} in the UI",
    )


@contextmanager
def _record_faults() -> Iterator[None]:
    """Tell a record that Dagster cannot write as one clear refusal."""
    try:
        yield
    except (DatabaseError, OSError) as error:
        reason = str(error.orig if isinstance(error, DatabaseError) else error).splitlines()[0]
        msg = f"Dagster's record under {os.environ['DAGSTER_HOME']} cannot be written: {reason}."
        remedy = "mend what it says, then run the same command again: what is published is recorded then"
        raise RunError(msg, readers=READERS, next_step=remedy) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dagster's log off the console; its record has all of it."""
    name = "default_system_loggers"
    loggers = getattr(context_creation_job, name)
    setattr(context_creation_job, name, lambda _: [])
    try:
        yield
    finally:
        setattr(context_creation_job, name, loggers)


@contextmanager
def _attributed(instance: dg.DagsterInstance, location: Location, job: str) -> Iterator[None]:
    """Let the run say which code location and job it belongs to, as one that the UI started does."""
    origin = RemoteRepositoryOrigin(location.origin, "__repository__").get_job_origin(job)
    create = instance.create_run_for_job

    def create_run_for_job(**options: Any) -> dg.DagsterRun:
        with one_transaction(instance, options["run_id"]):
            return create(**options, remote_job_origin=origin)

    vars(instance)["create_run_for_job"] = create_run_for_job
    try:
        yield
    finally:
        del vars(instance)["create_run_for_job"]
