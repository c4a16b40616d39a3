"""Spark by a process of this machine: `spark-submit` to any cluster that it knows, or a client of Spark Connect."""

from __future__ import annotations

import importlib.util
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof.errors import MakeError
from lakeproof.spark.launcher import HELPER, TAIL_LINES, Job, report_of
from lakeproof.spark.piped import in_a_run, piped
from lakeproof.spark.s3a import s3a, submitted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import IO

LEASH = Path(__file__).with_name("leash.py")
"""What a command runs in, so that it does not outlive this process."""

BEAT_SECONDS = 5.0
"""How often a waiting launcher says that its run is at work."""

GRACE_SECONDS = 20.0
"""How long a job that is told to stop has for it."""

PROPERTIES_KEY = "LAKEPROOF_SPARK_PROPERTIES"
"""The variable that names a properties file of Spark's: for `spark-submit`, and for a session of this process."""

SUBMIT_KEY = "LAKEPROOF_SPARK_SUBMIT"
"""The variable that names the `spark-submit` to use."""


ALONE = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
}
"""How Spark runs in one process: on loopback alone, and not with the 200 partitions that a cluster would have."""


def spark_submit() -> Path:
    """Return the `spark-submit` to use: the named one, the one beside this Python, or the first on the path.

    Raises:
        MakeError: There is none.
    """
    named = os.environ.get(SUBMIT_KEY)
    beside = Path(sys.executable).with_name("spark-submit")
    found = named or (str(beside) if beside.exists() else shutil.which("spark-submit"))
    if found is None or not Path(found).exists():
        msg = f"There is no spark-submit{f' at {named}' if named else ''}."
        raise MakeError(msg, next_step=f"install lakeproof[spark], or set {SUBMIT_KEY} to the one of your Spark")
    return Path(found)


@dataclass(frozen=True)
class SparkSubmit:
    """Jobs go by `spark-submit` to a master.

    Args:
        master: As Spark writes it: `local[*]`, `spark://host:7077`, `yarn`, `k8s://…`.
        properties: A properties file of Spark's, for what a cluster needs.
    """

    master: str = "local[*]"
    properties: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether its jobs see this machine's files: only without a cluster is that sure."""
        return self.master.startswith("local")

    def located(self, location: str) -> str:
        """Return a location as Hadoop names it."""
        return s3a(location)

    def run(self, context: Any, job: Job, beat: Callable[[], None]) -> dict[str, Any]:
        """Run a job to its end; see `Launcher`."""
        submit = spark_submit()
        command = [str(submit), "--master", self.master, "--name", f"{job.table} {job.run}", "--py-files", str(HELPER)]
        if self.properties:
            command += ["--properties-file", self.properties]
        settings = {"spark.ui.showConsoleProgress": "false", "spark.log.level": "WARN"}
        of_bucket, keys = submitted(job.storage)
        settings |= of_bucket | dict(job.conf)
        if self.is_local:
            settings = ALONE | settings
        for name, value in settings.items():
            command += ["--conf", f"{name}={value}"]
        # The scripts that pip installs look for their Spark by the first Python on the path.
        environment = {"PATH": f"{submit.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        environment |= keys
        if (python := submit.with_name("python")).exists() and "PYSPARK_PYTHON" not in os.environ:
            environment["PYSPARK_PYTHON"] = str(python)
        if self.is_local:
            environment["SPARK_LOCAL_IP"] = "127.0.0.1"
        return _carried_out(context, job, [*command, str(job.script)], environment, beat)


@dataclass(frozen=True)
class SparkConnect:
    """Jobs are clients of a Spark Connect server, which is there already: nothing but Python starts.

    Args:
        url: As Spark writes it: `sc://host:15002`.
    """

    url: str

    @property
    def is_local(self) -> bool:
        """Whether its jobs see this machine's files: nobody knows."""
        return False

    def located(self, location: str) -> str:
        """Return a location as Hadoop names it."""
        return s3a(location)

    def run(self, context: Any, job: Job, beat: Callable[[], None]) -> dict[str, Any]:
        """Run a job to its end; see `Launcher`.

        How buckets are reached, and settings that a session cannot change, are the server's: keys do not go over the
        wire.
        """
        job = replace(job, order={**job.order, "conf": dict(job.conf)})
        python = _client()
        environment = {"SPARK_REMOTE": self.url, "PYTHONPATH": str(HELPER.parent)}
        return _carried_out(context, job, [python, str(job.script)], environment, beat)


def _client() -> str:
    """Return the Python that has a client of Spark Connect: this one, or that of the Spark of `spark-submit`."""
    if importlib.util.find_spec("pyspark") is not None and SUBMIT_KEY not in os.environ:
        return sys.executable
    try:
        beside = spark_submit().with_name("python")
    except MakeError as error:
        error.next_step = f"install lakeproof[connect], or set {SUBMIT_KEY} to the spark-submit of your Spark"
        raise
    return str(beside) if beside.exists() else sys.executable


def _carried_out(
    context: Any, job: Job, command: list[str], environment: Mapping[str, str], beat: Callable[[], None]
) -> dict[str, Any]:
    """Run a command with the order, follow its log, and return its report."""
    if context is None:
        return in_a_run(lambda of_run: _carried_out(of_run, job, command, environment, beat))
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with piped(context, job, dg.PipesTempFileContextInjector(), dg.PipesTempFileMessageReader()) as session:
        whole = {**os.environ, **environment, **session.get_bootstrap_env_vars()}
        with _process(command, whole) as process:
            ended = _followed(process, context, job, beat, tail)
    return report_of(job, session.get_custom_messages(), ended, tail)


def _followed(
    process: subprocess.Popen[str], context: Any, job: Job, beat: Callable[[], None], tail: deque[str]
) -> str:
    """Pass a process's log on until it ends, and return how it ended; empty when it ended well."""
    lines: queue.Queue[tuple[bool, str]] = queue.Queue()
    readers = [
        threading.Thread(target=_read, args=(stream, is_error, lines), daemon=True)
        for stream, is_error in ((process.stdout, False), (process.stderr, True))
        if stream is not None
    ]
    for reader in readers:
        reader.start()
    began = beaten = time.monotonic()
    while any(reader.is_alive() for reader in readers) or not lines.empty():
        with suppress(queue.Empty):
            is_error, line = lines.get(timeout=1.0)
            tail.append(line)
            (context.log.debug if is_error else context.log.info)(line)
        now = time.monotonic()
        if now - beaten >= BEAT_SECONDS:
            beat()
            beaten = now
        if now - began > job.timeout.total_seconds():
            return f"was stopped after {job.timeout}, the longest that it may take"
    code = process.wait()
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}" if code else ""


def _read(stream: IO[str], is_error: bool, lines: queue.Queue[tuple[bool, str]]) -> None:  # noqa: FBT001 - a thread's
    for line in stream:
        lines.put((is_error, line.rstrip()))


@contextmanager
def _process(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a process, and end it and all that it started when the block ends, or this process, however that ends."""
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-I", str(LEASH), *command],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for end in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, end)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_SECONDS)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
