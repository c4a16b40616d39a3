"""Spark in AWS Glue: a job for each table, named by owner and table; a run of it for each run of the table's days.

Order and report go by dagster-aws' parts of Pipes. Its `PipesGlueClient` is not used: it reads the log only after the
end, waits for ever on `EXPIRED`, does not ask again when Glue throttles, and starts twice what was started already
when an answer is lost.
"""

from __future__ import annotations

import math
import re
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from lakeproof.cost.meter import count
from lakeproof.cost.used import MILLION
from lakeproof.errors import MakeError
from lakeproof.spark.bucket import Bucket
from lakeproof.spark.launcher import AGAIN, TAIL_LINES, Job, report_of
from lakeproof.spark.piped import in_a_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

GONE = "EntityNotFoundException"
PASSING = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "ConcurrentRunsExceededException",
        "ResourceNumberLimitExceededException",
        "ConcurrentModificationException",
        "AlreadyExistsException",
        "OperationTimeoutException",
        "InternalServiceException",
        "InternalFailure",
        "ServiceUnavailable",
    }
)
"""Answers of Glue's that another attempt may not get."""

ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"})
"""The states in which a job run stays."""

REMEDIES = {
    "STOPPED": f"find out who stopped it, {AGAIN}",
    "TIMEOUT": f"give the table's job a longer timeout or Glue more workers, {AGAIN}",
    "ERROR": f"look at the job in Glue's console, {AGAIN}",
    "EXPIRED": f"wait until Glue has room for the job, {AGAIN}",
}
"""What to do after each end that says nothing about the script."""

LOG_GROUP = "/aws-glue/jobs"
"""Where Glue writes logs, unless a job run says otherwise."""

STOP_SECONDS = 30.0
"""How long a run that is told to stop is waited for: so that it writes nothing after its folder was emptied."""

LONGEST_PAUSE_SECONDS = 30.0
RUNS_AT_ONCE = 50


@dataclass(frozen=True)
class Glue:
    """Jobs go to AWS Glue; region, credentials and endpoint are boto3's.

    Args:
        scripts: Where scripts, orders and reports lie: `s3://bucket/prefix`.
        role: The IAM role that jobs run as, by its name or ARN.
        version: Glue's version: 6.0 is Spark 4.1.
        worker_type: The kind of workers, as Glue names it.
        workers: How many workers a run has.
        definition: Further members of the job's definition, by the names of Glue's `CreateJob`; those of
            `DefaultArguments` are added to ours.
        every: How often a run and its log are looked at.
        patience: How long Glue is asked again while it throttles, has no room or does not answer.
    """

    scripts: str
    role: str
    version: str = "6.0"
    worker_type: str = "G.1X"
    workers: int = 2
    definition: Mapping[str, Any] = field(default_factory=dict)
    every: timedelta = timedelta(seconds=5)
    patience: timedelta = timedelta(minutes=10)

    @property
    def is_local(self) -> bool:
        """Whether its jobs see this machine's files: they do not."""
        return False

    def located(self, location: str) -> str:
        """Return a location as Glue names it: as Iceberg does.

        Raises:
            MakeError: It is not in a bucket.
        """
        if not location.startswith("s3://"):
            msg = f"Glue sees files in buckets, and not {location}."
            raise MakeError(msg, next_step="let the catalog's warehouse be s3://…, or unset LAKEPROOF_SPARK")
        return location

    def run(self, context: Any, job: Job, beat: Callable[[], None]) -> dict[str, Any]:
        """Run a job to its end; see `Launcher`."""
        if context is None:
            return in_a_run(lambda of_run: self.run(of_run, job, beat))
        asking = _Asking(self, job, beat)
        bucket = Bucket(self.scripts)
        script, helper = bucket.upload(job)
        asking.ensure(self.defined(job, script))
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        with bucket.session(context, job) as session:
            started = None
            try:
                started = asking.start({**arguments(job, script, helper), **session.get_bootstrap_cli_arguments()})
                context.log.info("Glue job %s, run %s", asking.name, started)
                found, log = self._followed(asking, started, context, tail)
            except BaseException:
                asking.stop(started, self.every.total_seconds())
                raise
        log.pass_on()
        state, said = found["JobRunState"], found.get("ErrorMessage") or ""
        hours = dpu_hours(found)
        count(dpu=round(hours * MILLION))
        context.log.info("Glue job %s, run %s: %s, %s DPU-hours", asking.name, started, state, hours)
        ended = "" if state == "SUCCEEDED" else f"ended as {state} in Glue ({asking.name}, run {started})"
        report = report_of(job, session.get_custom_messages(), ended, [*tail, said], REMEDIES.get(state, ""))
        return report | {"ran": {"job": asking.name, "run": started, "glue": self.version, "dpu_hours": hours}}

    def defined(self, job: Job, script: str) -> dict[str, Any]:
        """Return a job's definition, as Glue's `CreateJob` takes it, without its name."""
        ours = {
            "--job-language": "python",
            "--job-bookmark-option": "job-bookmark-disable",
            "--enable-continuous-cloudwatch-log": "true",
            "--additional-python-modules": f"dagster-pipes=={version('dagster-pipes')}",
        }
        return {
            "Description": f"Makes {job.table}, of {job.owner}, for Lakeproof.",
            "Role": self.role,
            "Command": {"Name": "glueetl", "ScriptLocation": script, "PythonVersion": "3"},
            "GlueVersion": self.version,
            "WorkerType": self.worker_type,
            "NumberOfWorkers": self.workers,
            "Timeout": minutes(job.timeout),
            # A second attempt of Glue's own would write beside the first.
            "MaxRetries": 0,
            "ExecutionProperty": {"MaxConcurrentRuns": RUNS_AT_ONCE},
            **self.definition,
            "DefaultArguments": ours | dict(self.definition.get("DefaultArguments", {})),
        }

    def _followed(self, asking: _Asking, run: str, context: Any, tail: deque[str]) -> tuple[dict[str, Any], _Log]:
        """Pass a run's log on until the run ends; return the run as Glue tells it then, and its log."""
        found = asking.look(run)
        log = _Log(found.get("LogGroupName") or LOG_GROUP, run, context, tail)
        while found["JobRunState"] not in ENDED:
            asking.pause(self.every.total_seconds())
            log.pass_on()
            found = asking.look(run)
        return found, log


def job_name(owner: str, table: str) -> str:
    """Return the name of a table's job.

    >>> job_name("team:plant", "plant.readings")
    'lakeproof-team-plant-plant.readings'
    """
    return re.sub(r"[^\w.-]+", "-", f"lakeproof-{owner}-{table}", flags=re.ASCII)[:255]


def minutes(timeout: timedelta) -> int:
    """Return a timeout as Glue counts it: in whole minutes, at least one."""
    return max(1, math.ceil(timeout / timedelta(minutes=1)))


def dpu_hours(run: Mapping[str, Any]) -> float:
    """Return what a run used, in DPU-hours.

    Glue counts `DPUSeconds` where workers come and go; else a run holds its whole capacity from start to end.

    Args:
        run: Of Glue's `GetJobRun`.
    """
    held = run.get("MaxCapacity", 0.0) * run.get("ExecutionTime", 0)
    return float(round((run.get("DPUSeconds") or held) / 3600, 4))


def arguments(job: Job, script: str, helper: str) -> dict[str, str]:
    """Return the arguments of one run.

    Script and helper are among them, so that another run, with other code, may change the job meanwhile.
    """
    windows = [call["window"] for call in job.order["calls"] if call["window"] is not None]
    told = {"--lakeproof-run": job.run, "--scriptLocation": script, "--extra-py-files": helper}
    if windows:
        told |= {"--ds": windows[0][0], "--windows": ",".join("/".join(window) for window in windows)}
    if job.conf:
        # Glue has one argument for all settings, which spark-submit gets as it stands.
        told["--conf"] = " --conf ".join(f"{name}={value}" for name, value in job.conf.items())
    return told


class _Asking:
    """Asks Glue about one job, and asks again what may pass.

    Args:
        glue: Says how long.
        job: The job.
        beat: Called while it waits.
    """

    def __init__(self, glue: Glue, job: Job, beat: Callable[[], None]) -> None:
        self._job, self._beat, self._patience = job, beat, glue.patience
        self.name = job_name(job.owner, job.table)
        # Trying again is ours: botocore would start twice what was started when the answer was lost.
        self._client = boto3.client("glue", config=Config(retries={"mode": "standard", "total_max_attempts": 1}))

    def pause(self, seconds: float) -> None:
        """Wait, and say that the run is at work."""
        self._beat()
        time.sleep(seconds)

    def ensure(self, definition: dict[str, Any]) -> None:
        """Let the job be there as it is defined."""

        def once() -> None:
            try:
                found = self._client.get_job(JobName=self.name)["Job"]
            except ClientError as error:
                if _code(error) != GONE:
                    raise
                tags = {"lakeproof:table": self._job.table, "lakeproof:owner": self._job.owner}
                self._client.create_job(Name=self.name, **definition, Tags=tags)
                return
            if any(found.get(member) != value for member, value in definition.items()):
                self._client.update_job(JobName=self.name, JobUpdate=definition)

        self._answered(once, "cannot be defined")

    def start(self, given: dict[str, str]) -> str:
        """Start a run of the job, and only one, and return its id."""
        tried = False

        def once() -> str:
            nonlocal tried
            if tried and (found := self._found()) is not None:
                return found
            tried = True
            return str(self._client.start_job_run(JobName=self.name, Arguments=given)["JobRunId"])

        return self._answered(once, "cannot be started")

    def _found(self) -> str | None:
        """Return the run that an attempt started whose answer did not come."""
        latest = self._client.get_job_runs(JobName=self.name, MaxResults=RUNS_AT_ONCE)["JobRuns"]
        ours = [run["Id"] for run in latest if run.get("Arguments", {}).get("--lakeproof-run") == self._job.run]
        return str(ours[0]) if ours else None

    def look(self, run: str) -> dict[str, Any]:
        """Return a run as Glue tells it now."""

        def once() -> dict[str, Any]:
            return dict(self._client.get_job_run(JobName=self.name, RunId=run)["JobRun"])

        return self._answered(once, f"cannot be followed, run {run}")

    def stop(self, run: str | None, every: float) -> None:
        """Stop a run, and wait a little for its end; what refuses that cannot be helped here.

        Args:
            run: Its id; None when that is not known, or nothing was started.
            every: How often it is looked at, in seconds.
        """
        with suppress(BotoCoreError, ClientError):
            if (run := run or self._found()) is None:
                return
            self._client.batch_stop_job_run(JobName=self.name, JobRunIds=[run])
            until = time.monotonic() + STOP_SECONDS
            while time.monotonic() < until:
                if self._client.get_job_run(JobName=self.name, RunId=run)["JobRun"]["JobRunState"] in ENDED:
                    return
                time.sleep(every)

    def _answered(self, once: Callable[[], T], cannot: str) -> T:
        """Ask until there is an answer, or until patience ends.

        Raises:
            MakeError: Glue refuses, or does not answer.
        """
        asking = Retrying(
            retry=retry_if_exception(_may_pass),
            wait=wait_random_exponential(max=LONGEST_PAUSE_SECONDS),
            stop=stop_after_delay(self._patience.total_seconds()),
            sleep=self.pause,
            reraise=True,
        )
        try:
            return asking(once)
        except (BotoCoreError, ClientError) as error:
            msg = f"{self._job.table}: Glue job {self.name} {cannot}: {error}"
            raise MakeError(msg, next_step=_remedy(error, self._patience)) from error


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, HTTPClientError) or (isinstance(error, ClientError) and _code(error) in PASSING)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _remedy(error: BotoCoreError | ClientError, patience: timedelta) -> str:
    if isinstance(error, ClientError):
        if _code(error) == GONE:
            return "find out who deleted it; run the same days again, and the job is made anew"
        if _code(error) in PASSING:
            return f"Glue was asked for {patience}; run the same days again later, or have the account's quota raised"
        return f"see docs/glue.md for what the role and the platform must be allowed, {AGAIN}"
    return f"see that boto3 finds region, credentials and endpoint, {AGAIN}"


class _Log:
    """The log of a run's driver in CloudWatch, line by line.

    Args:
        groups: What Glue's two log groups begin with.
        run: The run's id, which is the stream's name in both.
        context: Dagster's, whose log gets the lines.
        tail: Gets them too.
    """

    def __init__(self, groups: str, run: str, context: Any, tail: deque[str]) -> None:
        self._client = boto3.client("logs")
        self._run, self._context, self._tail = run, context, tail
        self._tokens: dict[str, str | None] = {f"{groups}/output": None, f"{groups}/error": None}
        self._mute = False

    def pass_on(self) -> None:
        """Pass on the lines that came since the last call; a log that cannot be read fails no job."""
        for group in self._tokens:
            told = self._context.log.info if group.endswith("/output") else self._context.log.debug
            try:
                for line in self._new(group):
                    self._tail.append(line)
                    told(line)
            except (BotoCoreError, ClientError) as error:
                # Glue makes a stream with its first line.
                not_yet = isinstance(error, ClientError) and _code(error) == "ResourceNotFoundException"
                if not (not_yet or self._mute):
                    self._mute = True
                    self._context.log.warning("The run goes on, but its log cannot be read: %s", error)

    def _new(self, group: str) -> Iterator[str]:
        while True:
            token = self._tokens[group]
            given = {"logGroupName": group, "logStreamName": self._run, "startFromHead": True}
            found = self._client.get_log_events(**given, **({"nextToken": token} if token else {}))
            self._tokens[group] = found["nextForwardToken"]
            for event in found["events"]:
                yield from event["message"].splitlines()
            if not found["events"]:
                return
