"""AWS on loopback, by moto's server; and what moto lacks of Glue: something that runs the jobs.

moto 5.2 keeps jobs and their runs, and lets every run succeed by being looked at. It has no `UpdateJob` and no
`BatchStopJobRun`, no failures, no log group that Glue has, and counts neither time nor capacity. All of that is added
here, as Glue's pages describe it.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.glue.models import FakeJobRun, glue_backends
from moto.glue.responses import GlueResponse
from moto.logs.responses import LogsResponse
from moto.moto_api import state_manager
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT = "123456789012"
REGION = "eu-central-1"
JARS = Path(__file__).parents[2] / ".venv" / "s3a"
"""Where `make test-spark` puts what Spark needs to read and write a bucket."""

DPU = {"G.1X": 1.0, "G.2X": 2.0}
GROUP = "/aws-glue/jobs"
LOOK_SECONDS = 0.2

End = tuple[str, str]
"""The state in which a run ends, and Glue's message."""


@dataclass
class Account:
    """An account with a Glue that runs jobs.

    Args:
        endpoint: Where AWS answers.
        folder: For the files of job runs.
        executes: What happens in a job run; by default its script is run by `spark-submit`.
        refusals: Errors that Glue answers instead, one a call, by the call's name.
        lost: Calls that Glue obeys without telling so, once each.
        calls: The calls that Glue got.
    """

    endpoint: str
    folder: Path
    executes: Callable[[FakeJobRun], End] | None = None
    refusals: dict[str, list[str]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    _told: dict[str, dict[str, Any]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def jobs(self) -> dict[str, Any]:
        """Glue's jobs by name."""
        return glue_backends[ACCOUNT][REGION].jobs

    @property
    def runs(self) -> list[FakeJobRun]:
        """The runs of all jobs, in the order of their start."""
        return sorted((run for job in [*self.jobs.values()] for run in job.job_runs), key=lambda run: run.started_on)

    def objects(self, bucket: str) -> list[str]:
        """Return the keys of a bucket."""
        return [found["Key"] for found in boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", ())]

    def say(self, run: FakeJobRun, kind: str, *lines: str) -> None:
        """Write lines into a run's log, of kind `output` or `error`."""
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
        boto3.client("logs").put_log_events(
            logGroupName=f"{GROUP}/{kind}", logStreamName=run.job_run_id, logEvents=events
        )

    def serve(self) -> None:
        """Take runs that were started, until it is over."""
        taken: set[str] = set()
        while not self._over.wait(LOOK_SECONDS):
            for run in self.runs:
                if run.job_run_id not in taken:
                    taken.add(run.job_run_id)
                    threading.Thread(target=self._execute, args=(run,), daemon=True).start()

    def _execute(self, run: FakeJobRun) -> None:
        logs = boto3.client("logs")
        for kind in ("output", "error"):
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=f"{GROUP}/{kind}")
            logs.create_log_stream(logGroupName=f"{GROUP}/{kind}", logStreamName=run.job_run_id)
        began = time.monotonic()
        run.status = "RUNNING"
        state, message = (self.executes or self.spark_submit)(run)
        self._told[run.job_run_id] = {
            "ExecutionTime": round(time.monotonic() - began),
            **({"ErrorMessage": message} if message else {}),
        }
        run.status = state

    def spark_submit(self, run: FakeJobRun) -> End:
        """Run the script of a job run as Glue does: its files from S3, its arguments, its log to CloudWatch."""
        folder = self.folder / run.job_run_id
        folder.mkdir()
        script, helper = (_fetched(run.arguments[name], folder) for name in ("--scriptLocation", "--extra-py-files"))
        settings = [
            *(run.arguments["--conf"].split(" --conf ") if "--conf" in run.arguments else ()),
            "spark.ui.enabled=false",
            "spark.driver.bindAddress=127.0.0.1",
            "spark.sql.shuffle.partitions=2",
            "spark.log.level=WARN",
            "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version=2",
            # Glue reads s3:// by itself.
            "spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.s3a.S3AFileSystem",
            f"spark.hadoop.fs.s3a.endpoint={self.endpoint}",
            f"spark.hadoop.fs.s3a.endpoint.region={REGION}",
            "spark.hadoop.fs.s3a.path.style.access=true",
        ]
        command = [str(Path(sys.executable).with_name("spark-submit")), "--master", "local[2]"]
        # Else copies of the jars, and the JVM's second compiler, take more than half of such a short run.
        command += ["--driver-class-path", f"{JARS}/*", "--driver-java-options", "-XX:TieredStopAtLevel=1"]
        command += ["--py-files", str(helper)]
        command += [part for setting in settings for part in ("--conf", setting)]
        command += [str(script), *(part for pair in run.arguments.items() for part in pair)]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.Popen(
            command,
            env={**os.environ, "PATH": path, "SPARK_LOCAL_IP": "127.0.0.1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            start_new_session=True,
        )
        readers = [
            threading.Thread(target=self._pass_on, args=(run, kind, stream), daemon=True)
            for kind, stream in (("output", process.stdout), ("error", process.stderr))
        ]
        for reader in readers:
            reader.start()
        while process.poll() is None and run.status != "STOPPING" and not self._over.is_set():
            time.sleep(LOOK_SECONDS)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return "STOPPED", ""
        for reader in readers:
            reader.join()
        return ("FAILED", f"Command failed with exit code {process.returncode}") if process.returncode else END

    def _pass_on(self, run: FakeJobRun, kind: str, stream: Any) -> None:
        with stream:
            for line in stream:
                if line.strip():
                    self.say(run, kind, line.rstrip())

    def answered(self, call: str, answer: Callable[[], Any]) -> Any:
        """Return what Glue answers to a call."""
        self.calls.append(call)
        if self.refusals.get(call):
            code = self.refusals[call].pop(0)
            raise JsonRESTError(code, f"{call} was refused")
        found = answer()
        if call in self.lost:
            self.lost.remove(call)
            code = "InternalServiceException"
            raise JsonRESTError(code, "the answer is lost")
        return found

    def told(self, run: FakeJobRun, found: dict[str, Any]) -> dict[str, Any]:
        """Return a run as Glue tells it, from how moto does."""
        found |= {"LogGroupName": GROUP, "ExecutionTime": 0, **self._told.get(run.job_run_id, {})}
        return found | {"MaxCapacity": DPU[run.worker_type] * run.number_of_workers}

    def close(self) -> None:
        """End what runs."""
        self._over.set()


END = ("SUCCEEDED", "")


def _fetched(location: str, folder: Path) -> Path:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    path = folder / key.rpartition("/")[2]
    boto3.client("s3").download_file(bucket, key, str(path))
    return path


def _update_job(response: GlueResponse) -> ActionResult:
    name, update = response._get_param("JobName"), response._get_param("JobUpdate")
    job = response.glue_backend.get_job(name)
    for member, value in update.items():
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in member)[1:]
        setattr(job, snake, value)
    return ActionResult({"JobName": name})


def _batch_stop_job_run(response: GlueResponse) -> ActionResult:
    name, ids = response._get_param("JobName"), response._get_param("JobRunIds")
    for run in response.glue_backend.get_job(name).job_runs:
        if run.job_run_id in ids:
            run.status = "STOPPING"
    return ActionResult({"SuccessfulSubmissions": [{"JobName": name, "JobRunId": one} for one in ids], "Errors": []})


@contextmanager
def account(folder: Path) -> Iterator[Account]:
    """Serve an account, with a bucket `lake` and a bucket `jobs`, where boto3 looks for it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = Account(f"http://{host}:{port}", folder)
    state_manager.set_transition("glue::job_run", {"progression": "manual", "times": sys.maxsize})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        plain = FakeJobRun.as_dict
        patch.setattr(FakeJobRun, "as_dict", lambda run: aws.told(run, plain(run)))
        patch.setattr(GlueResponse, "update_job", _update_job, raising=False)
        patch.setattr(GlueResponse, "batch_stop_job_run", _batch_stop_job_run, raising=False)
        for call in ("get_job", "create_job", "update_job", "start_job_run", "get_job_run", "batch_stop_job_run"):
            patch.setattr(GlueResponse, call, _watched(aws, call, getattr(GlueResponse, call)))
        patch.setattr(LogsResponse, "get_log_events", _watched(aws, "get_log_events", LogsResponse.get_log_events))
        for bucket in ("lake", "jobs"):
            boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        threading.Thread(target=aws.serve, daemon=True).start()
        try:
            yield aws
        finally:
            aws.close()
            requests.post(f"{aws.endpoint}/moto-api/reset", timeout=10)
            server.stop()


def _watched(aws: Account, call: str, answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def watched(response: Any) -> Any:
        return aws.answered(call, lambda: answer(response))

    return watched
