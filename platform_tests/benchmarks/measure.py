"""Jobs in fresh processes, their time and their peak memory; contestants take turns, and are compared turn by turn.

This side imports nothing heavy: Linux counts what a parent held at the fork towards its child's peak.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LAST_LINES = 3
LIMIT_SECONDS = 900
"""A job that takes longer hangs."""


class JobError(Exception):
    """A job did not end well; the text is the last that it said."""


class StoppedError(JobError):
    """A job was stopped because it took too long."""


@dataclass(frozen=True)
class Sample:
    """What one run of a job gave.

    Args:
        answer: What it returned.
        process_seconds: How long the whole process took, from its start to its end.
        peak_bytes: The most memory that it, or any process it waited for, held.
        others_cores: How many cores all other processes of the machine kept busy meanwhile.
    """

    answer: Mapping[str, Any]
    process_seconds: float
    peak_bytes: int
    others_cores: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the job took by its own clock, or the whole process where it does not say."""
        return float(self.answer.get("seconds", self.process_seconds))


@dataclass(frozen=True)
class Line:
    """A line of the result: two figures, their ratio, and its bound.

    Args:
        benchmark: Such as `B1`.
        what: What was measured, against what.
        ours: Our figure, a median.
        other: The other figure, a median.
        unit: Of both figures.
        ratio: The median of the ratios, turn by turn; None when there is nothing to compare.
        bound: What the ratio must be.
        at_least: Whether the bound is a lower one.
        met: Whether what was asked for holds; None for a line that is only told.
        note: What was seen.
        turns: Our figure and the other, turn by turn.
    """

    benchmark: str
    what: str
    ours: float | None = None
    other: float | None = None
    unit: str = "s"
    ratio: float | None = None
    bound: float | None = None
    at_least: bool = False
    met: bool | None = None
    note: str = ""
    turns: tuple[tuple[float, float], ...] = ()

    @classmethod
    def compare(cls, benchmark: str, what: str, ours: Sequence[float], other: Sequence[float], **more: Any) -> Line:
        """Compare figures that were taken in turns: the ratio is theirs, turn by turn, so that drift cancels."""
        turns = tuple(zip(ours, other, strict=True))
        ratio = statistics.median(a / b for a, b in turns)
        bound, at_least = more.get("bound"), more.get("at_least", False)
        met = more.pop("holds", True) and (ratio >= bound if at_least else ratio <= bound) if bound else None
        medians = statistics.median(ours), statistics.median(other)
        return cls(benchmark, what, *medians, ratio=ratio, turns=turns, **({"met": met} | more))


def run_job(job: str, *, python: Path | str = sys.executable, limit: float = LIMIT_SECONDS, **arguments: Any) -> Sample:
    """Run a job in a fresh process.

    Args:
        job: `module:function`, below this folder.
        python: The Python that runs it.
        limit: The seconds after which it is stopped.
        **arguments: What the function is given.

    Raises:
        StoppedError: The job took more than `limit` seconds.
        JobError: The job failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer, said = Path(folder) / "answer.json", Path(folder) / "said.txt"
        command = [str(python), str(HERE / "child.py"), job, json.dumps(arguments, default=str), str(answer)]
        began, busy = time.monotonic(), _busy_seconds()
        with said.open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
            timer = threading.Timer(limit, process.kill)
            timer.start()
            # wait4 and not wait: it alone tells the peak of this one process.
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            others = max(0.0, _busy_seconds() - busy - usage.ru_utime - usage.ru_stime) / seconds
            timer.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
        if seconds >= limit:
            msg = f"{job}: stopped after {limit:.0f} s"
            raise StoppedError(msg)
        if process.returncode or not answer.exists():
            msg = f"{job}: {last_words(said.read_text())}"
            raise JobError(msg)
        return Sample(json.loads(answer.read_text()), seconds, usage.ru_maxrss * 1024, others)


def _busy_seconds() -> float:
    """Return how long the machine's cores have been busy since it began, all of them together (proc_stat(5))."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def run_here(job: str, limit: float = LIMIT_SECONDS, **arguments: Any) -> Sample:
    """Run a job in this process: to see that its code works, where nothing is measured or stopped."""
    del limit
    module, function = job.split(":")
    began = time.monotonic()
    answer = getattr(importlib.import_module(module), function)(**json.loads(json.dumps(arguments, default=str)))
    return Sample(json.loads(json.dumps(answer)), time.monotonic() - began, 0)


def last_words(text: str) -> str:
    """Return the end of what a process said, as one line: what follows the indented lines of a traceback."""
    lines: list[str] = []
    for line in reversed(text.strip().splitlines()):
        if lines and line.startswith("  "):
            break
        lines.insert(0, line.strip())
    return " | ".join(lines[-LAST_LINES:]) or "it said nothing"


def in_turns(contestants: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Let all contestants run once, then all again, and so on."""
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            samples[name].append(run())
    return samples


def seconds_of(samples: Iterable[Sample]) -> list[float]:
    """Return how long each took."""
    return [sample.seconds for sample in samples]
