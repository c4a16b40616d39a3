"""`python platform_tests/services/measure.py`: what a table-day costs here, as docs/production.md tells it.

It starts the services of docker-compose.yml without containers, and makes days of the example's departures: one run a
day, as sensors ask for them, then one run over a range, as a backfill.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from deployment import ROOT, Deployment, deployed
from pyarrow.fs import FileSelector, FileType, S3FileSystem
from test_deployment import launch, outcome, recorded, recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLE = ["flights", "raw_departures"]
SINGLE_DAYS, RANGE_DAYS = 10, 20
IDLE_SECONDS = 120
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Return the seconds of a core that a process took, and its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICK


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    children = [
        int(one) for thread in Path(f"/proc/{pid}/task").iterdir() for one in (thread / "children").read_text().split()
    ]
    return [pid, *(each for child in children for each in tree(child))]


def memory(pid: int, what: str = "Pss") -> int:
    """Return the bytes of memory that a process holds, its share of what it shares with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """Note the most memory that a run, a child of a code server, holds while it is made."""
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            try:
                held = [memory(child) for child in tree(pid)[1:]]
            except (FileNotFoundError, ProcessLookupError):
                continue
            most[0] = max([*most, *held])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def in_postgres(deployment: Deployment) -> tuple[int, int, int]:
    """Return the events, their bytes with their indexes, and the bytes of the whole database."""
    statement = "SELECT count(*), pg_total_relation_size('event_logs'), pg_database_size('dagster') FROM event_logs"
    return recorded(deployment, statement)[0]  # type: ignore[return-value]  # three numbers


def in_store(deployment: Deployment) -> tuple[int, int]:
    """Return how many objects are in the lake, and their bytes."""
    files = S3FileSystem(
        access_key="lake",
        secret_key=deployment.secrets["LAKE_SECRET"],
        endpoint_override=f"http://127.0.0.1:{deployment.ports['store'][8333]}",
    )
    found = [one for bucket in ("lake", "records") for one in files.get_file_info(FileSelector(bucket, recursive=True))]
    sizes = [one.size for one in found if one.type == FileType.File]
    return len(sizes), sum(sizes)


def asked(deployment: Deployment) -> tuple[int, int]:
    """Return the requests that the store took: those that list or write, and those that read."""
    text = requests.get(f"http://127.0.0.1:{deployment.port('metrics')}/metrics", timeout=10).text
    counted = re.findall(r'^SeaweedFS_s3_request_total\{.*type="(\w+)"\} (\S+)', text, flags=re.MULTILINE)
    reads = sum(int(float(count)) for kind, count in counted if kind in {"GET", "HEAD"})
    return sum(int(float(count)) for _, count in counted) - reads, reads


def postmaster(deployment: Deployment) -> int:
    """Return the process of Postgres, the parent of who answers."""
    with recording(deployment) as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(Path(f"/proc/{cursor.fetchone()[0]}/stat").read_text().rsplit(")", 1)[1].split()[1])


def day(number: int) -> str:
    """Return the numbered day of 2013."""
    return f"2013-01-{number:02d}"


def measured(deployment: Deployment, label: str, days: int, make: Callable[[], None]) -> None:
    """Make days, and print what each took."""
    flights = deployment.processes["flights"].pid
    events, _, database = in_postgres(deployment)
    objects, stored = in_store(deployment)
    writes, reads = asked(deployment)
    processes = len(tree(flights))
    began, spent = time.monotonic(), cpu(flights)
    with watched(flights) as most:
        make()
        while len(tree(flights)) > processes:  # what a run took counts when it has ended
            time.sleep(0.1)
    writes, reads = asked(deployment)[0] - writes, asked(deployment)[1] - reads
    wall, spent = time.monotonic() - began, cpu(flights) - spent
    events, database = in_postgres(deployment)[0] - events, in_postgres(deployment)[2] - database
    objects, stored = in_store(deployment)[0] - objects, in_store(deployment)[1] - stored
    say(f"{label}: per table-day {wall / days:.2f} s, {spent / days:.2f} s of a core in the code location, ")
    say(f"  {events / days:.1f} events, {database / days / 1024:.1f} KiB in Postgres, ")
    say(f"  {writes / days:.1f} requests that list or write, {reads / days:.1f} that read, ")
    say(f"  {objects / days:.1f} objects, {stored / days / 1024:.1f} KiB in the store; most memory {most[0] >> 20} MiB")


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory(prefix="lakeproof-measure-") as folder, deployed(Path(folder)) as deployment:
        workspace = str(ROOT / "workspace.yaml")
        made = ["lakeproof", "run", "-w", workspace]
        deployment.run("flights", *made, "flights.airports", "flights.planes", "flights.airlines")

        def singly() -> None:
            for number in range(1, SINGLE_DAYS + 1):
                launched = launch(deployment, "editor", TABLE, day(number))
                if outcome(deployment, launched["run"]["runId"]) != "SUCCESS":
                    sys.exit("a run failed")

        def at_once() -> None:
            dates = ["--from", day(SINGLE_DAYS + 1), "--to", day(SINGLE_DAYS + RANGE_DAYS)]
            deployment.run("flights", *made, ".".join(TABLE), *dates)

        measured(deployment, "one run a day", SINGLE_DAYS, singly)
        before = os.times()
        measured(deployment, f"one run of {RANGE_DAYS} days", RANGE_DAYS, at_once)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        say(f"  the command itself: {spent / RANGE_DAYS:.2f} s of a core per table-day")
        pids = {name: process.pid for name, process in deployment.processes.items()}
        pids["postgres"] = postmaster(deployment)
        idle = {name: sum(map(cpu, tree(pid))) for name, pid in pids.items()}
        time.sleep(IDLE_SECONDS)
        for name, pid in pids.items():
            share = (sum(map(cpu, tree(pid))) - idle[name]) / IDLE_SECONDS
            say(f"{name}: {sum(map(memory, tree(pid))) >> 20} MiB, {share:.1%} of a core when nothing runs")


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
