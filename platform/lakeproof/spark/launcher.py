"""What takes a job to Spark: the one seam between a table and wherever Spark runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lakeproof.errors import MakeError, RowsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

HELPER = Path(__file__).with_name("lakeproof_job.py")
"""What goes with every script: it reads the order, writes, audits and reports."""

TAIL_LINES = 400
"""How much of a log is kept to find the cause in."""

REPORT = "lakeproof"
"""The name under which a job's report comes, among the messages of Dagster Pipes."""


@dataclass(frozen=True)
class Job:
    """A script and what it is to do.

    Args:
        table: The table's name.
        owner: Whose table it is.
        run: The run's id.
        script: The script.
        order: What `lakeproof_job` is told.
        conf: Settings of Spark.
        timeout: How long it may take before it is stopped.
        storage: What PyIceberg's configuration says of the bucket that the table lies in, by PyIceberg's names.
    """

    table: str
    owner: str
    run: str
    script: Path
    order: Mapping[str, Any]
    conf: Mapping[str, str]
    timeout: timedelta
    storage: Mapping[str, str] = field(default_factory=dict)


class Launcher(Protocol):
    """Where Spark runs."""

    @property
    def is_local(self) -> bool:
        """Whether its jobs see this machine's files."""

    def located(self, location: str) -> str:
        """Return a location of Iceberg's as this Spark names it."""

    def run(self, context: Any, job: Job, beat: Callable[[], None]) -> dict[str, Any]:
        """Run a job to its end.

        Args:
            context: Dagster's execution context; None outside of a run.
            job: The job.
            beat: Called every few seconds while it runs; what it raises stops the job.

        Returns:
            The job's report; its member `ran`, where there is one, has what is known of where it ran.

        Raises:
            RowsError: What it made does not fit the contract.
            MakeError: The job failed, or could not be started.
        """


def report_of(
    job: Job, messages: Iterable[Any], ended: str, log: Iterable[str] = (), remedy: str = ""
) -> dict[str, Any]:
    """Return a job's report, or refuse what became of it.

    Args:
        job: The job.
        messages: What it told by Dagster Pipes, besides its log.
        ended: How it ended, in words; empty when it ended well.
        log: The last lines of its log, in which the cause is looked for when it left no report.
        remedy: What to do then; else the log decides.

    Raises:
        RowsError: What it made does not fit the contract.
        MakeError: It failed.
    """
    lines = [line.strip() for line in log if line.strip()]
    told = [message[REPORT] for message in messages if isinstance(message, dict) and REPORT in message]
    failed = told[-1].get("failed") if told else None
    if failed is not None:
        ended_by = _ended_by(lines) if STOPPED in failed["what"] else ""
        what = f"{job.table}: {job.script.name}: {ended_by or failed['what']}"
        if failed["kind"] == "rows":
            raise RowsError(what, next_step=failed["remedy"])
        error = MakeError(what, next_step=_remedy(ended_by or failed["trace"]) or f"mend {job.script.name}, {AGAIN}")
        error.add_note(failed["trace"])
        raise error
    if told and not ended:
        return dict(told[-1])
    cause = _cause(lines)
    msg = f"{job.table}: {job.script.name} {ended or 'ended without a report'}: {cause}"
    remedy = (
        remedy or _remedy("\n".join(lines)) or f"read the run's log, mend {job.script.name} or the cluster, {AGAIN}"
    )
    raise MakeError(msg, next_step=remedy)


def _cause(lines: list[str]) -> str:
    """Return the line of a log that tells why: the last cause of a stack of them, else the last line."""
    errors = [line for line in lines if "Exception" in line.split(" at ")[0] or "Error" in line.split(" at ")[0]]
    told = [line for line in errors if not line.startswith(("at ", "File "))]
    return (told or lines or ["it said nothing"])[-1][:500]


def _ended_by(lines: list[str]) -> str:
    """Return why a cluster ended an application, as its log says; empty where it does not: the job only saw it stop."""
    found = [line.partition(KILLED)[2] for line in lines if KILLED in line]
    return f"the cluster ended it: {found[-1]}" if found else ""


def _remedy(log: str) -> str | None:
    """Return what helps against what commonly keeps a job from starting; None where it is nothing of the kind."""
    return next((remedy for sign, remedy in _REMEDIES.items() if sign in log), None)


AGAIN = "then run the same days again"

STOPPED = "stopped SparkContext"
"""What a job is told that goes on after its application ended."""

KILLED = "Application has been killed. Reason: "
"""What Spark's driver logs before the reason for that."""

_REMEDIES = {
    "AccessDeniedException": f"see that the key or role with which Spark reaches the bucket may do that, {AGAIN}",
    "Status Code: 403": f"see that the key or role with which Spark reaches the bucket may do that, {AGAIN}",
    "Status Code: 503": "run the same days again later: the bucket was asked several times already",
    "All masters are unresponsive": f"see that LAKEPROOF_SPARK names a cluster that is up, {AGAIN}",
    "JAVA_HOME is not set": f"install Java 17 or 21, or set JAVA_HOME, {AGAIN}",
    "UnsupportedClassVersionError": f"set JAVA_HOME to Java 17 or 21, {AGAIN}",
    "getSubject is not supported": f"set JAVA_HOME to Java 17 or 21, {AGAIN}",
    "NoSuchMethodError": f"use jars that were built for this version of Spark, {AGAIN}",
    "ClassNotFoundException": "add the jar that has the class to spark.jars, built for this version of Spark",
    "No module named 'dagster_pipes'": "install dagster-pipes where Spark's Python is",
    "JAVA_GATEWAY_EXITED": f"see that JAVA_HOME names Java 17 or 21, {AGAIN}",
}
"""What to do about words in a log: the most telling first."""
