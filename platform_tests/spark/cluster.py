"""A standalone cluster of the Spark beside this Python, on loopback: one master, and workers that a test ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPARK_CLASS = Path(sys.executable).with_name("spark-class")
EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
START_SECONDS = 60
END_SECONDS = 10


def free_port() -> int:
    """Return a port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_until(true: Callable[[], object], seconds: float = START_SECONDS) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


@dataclass
class Cluster:
    """A master, and its workers.

    Args:
        folder: Where logs and work go.
        port: Where the master listens.
        processes: The master, then the workers.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What jobs are submitted to."""
        return f"spark://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the master."""
        ports = ["--port", str(self.port), "--webui-port", str(free_port())]
        self._start("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", *ports)

    def add_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker, wait until the master knows it, and return its process."""
        size = ["--cores", "2", "--memory", "1g", "--webui-port", str(free_port())]
        worker = "org.apache.spark.deploy.worker.Worker"
        log = self._start(worker, "--host", "127.0.0.1", *size, "--work-dir", str(self.folder / "work"), self.url)
        wait_until(lambda: "Successfully registered with master" in log.read_text())
        return self.processes[-1]

    def executors(self) -> list[int]:
        """Return the processes of the executors of this cluster's workers."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                is_executor = EXECUTOR in (process / "cmdline").read_text()
                if is_executor and (process / "cwd").readlink().is_relative_to(self.folder):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def kill_executors(self) -> None:
        """Kill them."""
        for process in self.executors():
            os.kill(process, signal.SIGKILL)

    def stop(self) -> None:
        """Stop everything, the workers first."""
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:  # where SIGINT is ignored, Dagster lets SIGTERM be ignored, too
                process.kill()
                process.wait()

    def _start(self, name: str, *words: str) -> Path:
        log = self.folder / f"{name.rpartition('.')[2]}-{len(self.processes)}.log"
        environment = {
            **os.environ,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PATH": f"{SPARK_CLASS.parent}{os.pathsep}{os.environ['PATH']}",
            "PYSPARK_PYTHON": sys.executable,
        }
        with log.open("wb") as out:
            command = [SPARK_CLASS, name, *words]
            started = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=self.folder)
        self.processes.append(started)
        return log


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Run a cluster with one worker."""
    made = Cluster(folder)
    try:
        made.start()
        made.add_worker()
        yield made
    finally:
        made.stop()
