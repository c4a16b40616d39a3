"""A process that is killed on demand while it runs days of a table, or upkeep of it: the test's side of `test_crash`.

`serve` imports everything once, and then forks a process for each line it reads: the process runs, and is killed at the
step, in the write, or after the CPU time that the line names. No product code knows of it.
"""

from __future__ import annotations

import inspect
import json
import os
import resource
import signal
import sys
import threading
import traceback
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import polars as pl
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.manifest import ManifestListWriter
from sqlalchemy.orm import Session

from lakeproof import Column, Lakehouse, Table, Window, audit, wap
from lakeproof.engine.function import FunctionMaker
from lakeproof.lake import held, running
from lakeproof.lake import upkeep as upkeep_module
from lakeproof.lake.replace import ReplaceDays
from lakeproof.lake.stage_writer import StageWriter
from lakeproof.lake.upkeep import Upkeep, upkeep
from lakeproof.wap import write_audit_publish
from lakeproof.work import Work, base_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeproof.outcome import Outcome

NAME = "tests.crashed"
FIRST = date(2024, 1, 1)
MADE, HELD, SAME = [FIRST + timedelta(days=n) for n in (0, 40)], FIRST + timedelta(days=2), FIRST + timedelta(days=3)
"""Each round publishes two days of two months, has a day held, and makes a day again as it is."""

DAYS = (MADE[0], HELD, SAME, MADE[1])
ROWS = 50
BESIDE = 12
"""How many rounds each process publishes beside upkeep."""

SOON = timedelta(hours=2)
"""How far ahead upkeep is told it is: what is left alone because it is new is then judged as well."""

table = Table(
    NAME,
    columns=[Column("day", "date"), Column("value", "long")],
    partition="day",
    layer="tests",
    start=FIRST,
    owner="team:tests",
    audits=[audit.row_count(at_least=ROWS, at_most=ROWS), audit.between("value", 0, None)],
    properties={"lakeproof.keep-replaced-days": "0", "lakeproof.max-snapshots": "6"},
)

STEPS: list[tuple[Any, str]] = [
    (running, "lock_new"),
    (running.Claim, "renew"),
    (running.Claim, "release"),
    (StageWriter, "_finish"),
    (wap, "write_evidence"),
    (wap, "keep_held"),
    (ReplaceDays, "_write"),
    (ManifestListWriter, "__exit__"),
    (SqlCatalog, "_write_metadata"),
    (SqlCatalog, "commit_table"),
    (Session, "commit"),
    (Catalog, "_delete_old_metadata"),
    (wap, "discard"),
    (held, "_write_candidate"),
    (held, "_write_ledger"),
    (PyArrowFileIO, "delete"),
]


def run_round(lakehouse: Lakehouse, number: int, days: tuple[date, ...] = DAYS, **values: int) -> Outcome:
    """Make days whose every value is the number of the round, but for one that is held and one that is not new."""

    def make(window: Window) -> pl.DataFrame:
        made = {HELD: -number, SAME: values.get("same", 0)}
        rows = [(day, made.get(day, number)) for day in window.days if day in days for _ in range(ROWS)]
        return pl.DataFrame(rows, schema={"day": pl.Date, "value": pl.Int64}, orient="row")

    base = base_of(lakehouse.lake, table, days)
    work = Work(table=table, maker=FunctionMaker(make, {"window": Window}), readers={}, days=days, base=base)
    return write_audit_publish(lakehouse.lake, work)


def run_upkeep(lakehouse: Lakehouse, **options: Any) -> Upkeep:
    """Do the table's upkeep, some hours ahead."""
    upkeep_module.SETTLE_SECONDS = 0.0
    return upkeep(lakehouse.catalog.load_table(NAME), **{"now": datetime.now(UTC) + SOON, **options})


def publish_beside_upkeep(lakehouse: Lakehouse, number: int) -> None:
    """Publish days of one's own, round after round, as another process may at the same time."""
    own = (FIRST + timedelta(days=100 + number), FIRST + timedelta(days=200 + number))
    for value in range(1, BESIDE + 1):
        run_round(lakehouse, value, own)


def keep_up_beside_publishes(lakehouse: Lakehouse, number: int) -> None:
    """Do the table's upkeep time and again, with next to no patience for new files."""
    upkeep_module.GRACE = timedelta(seconds=1)
    for _ in range(number):
        run_upkeep(lakehouse, now=datetime.now(UTC))


ACTIONS: dict[str, Callable[[Lakehouse, int], object]] = {
    "run": run_round,
    "upkeep": lambda lakehouse, _: run_upkeep(lakehouse),
    "publish": publish_beside_upkeep,
    "keep up": keep_up_beside_publishes,
}


def kill() -> None:
    """Die as at the pull of the plug: no handler and no clean-up runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_step(wanted: int) -> list[str]:
    """Count what happens before and after each step, and die at one of them."""
    passed: list[str] = []

    def reach(what: str) -> None:
        passed.append(what)
        if len(passed) == wanted:
            kill()

    def watch(owner: Any, name: str) -> None:
        real, is_static = getattr(owner, name), isinstance(inspect.getattr_static(owner, name), staticmethod)

        def watched(*args: Any, **options: Any) -> Any:
            reach(f"before {name}")
            result = real(*args, **options)
            reach(f"after {name}")
            return result

        setattr(owner, name, staticmethod(watched) if is_static else watched)

    for owner, name in STEPS:
        watch(owner, name)
    return passed


def kill_in_write(wanted: int) -> list[str]:
    """Count the files that are opened to be written, and die with half of one on the disk."""
    opened: list[str] = []
    one_at_a_time = threading.Lock()
    create = PyArrowFile.create

    class Torn:
        """A file of which half of what is written arrives."""

        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None:
            kill()

        def write(self, data: bytes) -> None:
            self._stream.write(data[: len(data) // 2])
            self._stream.close()
            kill()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    def created(self: PyArrowFile, overwrite: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyIceberg's own signature
        with one_at_a_time:  # files are written side by side
            opened.append(self.location)
            number = len(opened)
        stream = create(self, overwrite)
        return Torn(stream) if number == wanted else stream

    PyArrowFile.create = created  # type: ignore[method-assign]
    return opened


def kill_after(seconds: float) -> None:
    """Die at whatever instruction is under way when so much CPU time is spent, inside a library or not."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process where it stands, like SIGKILL
    signal.setitimer(signal.ITIMER_PROF, seconds)


def perform(order: dict[str, Any], report: int) -> None:
    """Do what an order says, and if that is survived, report what was passed on the way."""
    passed: list[str] = []
    if "step" in order:
        passed = kill_at_step(order["step"])
    if "write" in order:
        passed = kill_in_write(order["write"])
    lakehouse = Lakehouse(home=order["home"])
    if "cpu" in order:
        kill_after(order["cpu"])
    ACTIONS[order["action"]](lakehouse, order["number"])
    signal.setitimer(signal.ITIMER_PROF, 0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    os.write(report, json.dumps({"passed": passed, "cpu": used.ru_utime + used.ru_stime}).encode())


def serve() -> None:
    """Fork a process for each order on the input; several orders in a line run side by side. Say how each ended."""
    for line in sys.stdin:
        children = []
        for order in json.loads(line):
            read, write = os.pipe()
            if (pid := os.fork()) == 0:
                code = 1
                try:
                    perform(order, write)
                    code = 0
                except BaseException:
                    traceback.print_exc()
                    raise
                finally:
                    os._exit(code)
            os.close(write)
            children.append((pid, read))
        ends = []
        for pid, read in children:
            with os.fdopen(read, "rb") as stream:
                said = stream.read()
            ends.append({"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), **json.loads(said or b"{}")})
        sys.stdout.write(json.dumps(ends) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
