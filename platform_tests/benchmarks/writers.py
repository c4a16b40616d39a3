"""B3: processes that publish different days of one table at the same time."""

from __future__ import annotations

import shutil
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contestants import DAGSTER_ICEBERG, LOCAL_DATA_PLATFORM, SQLMESH
from measure import JobError, Line, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from setting import Setting

BOUND = 4
FEW_DAYS = 1
"""What a peer is asked for that needs many seconds a day."""

TOLD = 70
"""So much of an error tells its kind; what follows names the run."""


@dataclass(frozen=True)
class Race:
    """What came of processes that published at the same time.

    Args:
        asked: Days that they were to publish.
        published: Days that they say they published.
        found: Days that a reader finds.
        seconds: From the common start to the end of the last.
        snapshots: Snapshots that their answers name.
        lost: Compare-and-swaps that were lost, and done again.
        errors: What failed, and how often.
    """

    asked: int
    published: int
    found: int
    seconds: float
    snapshots: int
    lost: int
    errors: Counter[str]

    @property
    def complete(self) -> bool:
        """Whether every day is there."""
        return self.asked == self.published == self.found

    @property
    def rate(self) -> float:
        """Days a second, of those that a reader finds."""
        return min(self.published, self.found) / self.seconds

    def __str__(self) -> str:
        """Return what was lost, in a few words."""
        said = "; ".join(f"{times} times {error}" for error, times in self.errors.most_common(2))
        return f"{self.asked - min(self.found, self.published)} of {self.asked} days lost" + (
            f": {said}" if said else ""
        )


def run(setting: Setting) -> Iterator[Line]:
    """Measure, and yield the lines."""
    data = setting.flights()
    setting.run_job("jobs.flights:make", folder=data, days=setting.year_days)
    races: dict[str, list[Race]] = {"ours": [], LOCAL_DATA_PLATFORM.name: []}
    what = f"{setting.writers} processes, {setting.writer_days} days each, one day a publish"

    def ours_runs(job: str, **arguments: Any) -> Sample:
        return setting.run_job(f"jobs.flights:{job}", **arguments)

    absent = None
    for _ in range(setting.rounds):
        races["ours"].append(race(setting, data, ours_runs))
        if setting.peers and absent is None:
            try:
                races[LOCAL_DATA_PLATFORM.name].append(race(setting, data, LOCAL_DATA_PLATFORM.run))
            except JobError as error:
                absent = Line("B3", f"{what}: {LOCAL_DATA_PLATFORM.name} cannot", met=False, note=str(error))
    ours, peer = races["ours"], races[LOCAL_DATA_PLATFORM.name]
    complete = all(done.complete for done in ours)
    yield Line(
        "B3",
        f"{what}: every day there, in every round",
        met=complete,
        note="; ".join(sorted({str(done) for done in ours})),
    )
    single = all(done.snapshots == done.published for done in ours)
    lost = sorted(done.lost for done in ours)
    yield Line(
        "B3",
        "snapshots of them, one a publish",
        ours=statistics.median(done.snapshots for done in ours),
        other=statistics.median(done.published for done in ours),
        unit="",
        met=single,
        note=f"lost compare-and-swaps, done again: {lost[0]} to {lost[-1]} a round",
    )
    if absent:
        yield absent
    elif peer:
        yield Line.compare(
            "B3",
            f"throughput / {LOCAL_DATA_PLATFORM.name}",
            [done.rate for done in ours],
            [done.rate for done in peer],
            unit="days/s",
            bound=BOUND,
            at_least=True,
            holds=complete,
            note=f"{LOCAL_DATA_PLATFORM.name}: " + "; ".join(sorted({str(done) for done in peer})),
        )
        yield from others(setting, data)
    else:
        yield Line("B3", "throughput", ours=statistics.median(done.rate for done in ours), unit="days/s")


def others(setting: Setting, data: str) -> Iterator[Line]:
    """Show once what becomes of the peers that lose days, or that let one process write at a time."""
    for peer, days in ((DAGSTER_ICEBERG, setting.writer_days), (SQLMESH, FEW_DAYS)):
        what = f"{setting.writers} processes, {days} days each: {peer.name}, once"
        try:
            done = race(setting, data, peer.run, days)
        except JobError as error:
            yield Line("B3", what, note=str(error))
        else:
            yield Line("B3", what, other=done.rate, unit="days/s", note=str(done))


def race(setting: Setting, data: str, run_one: Callable[..., Sample], days: int | None = None) -> Race:
    """Let all writers begin at one moment, and look at the table when the last has ended."""
    home, days = setting.new_home(), days or setting.writer_days
    run_one("prepare_writers", home=home, data=data)
    before = run_one("count", home=home).answer["days"]
    start = time.time() + setting.start_seconds
    with ThreadPoolExecutor(setting.writers) as pool:
        samples = list(
            pool.map(
                lambda number: run_one("writer", home=home, data=data, first=number * days, days=days, start=start),
                range(setting.writers),
            )
        )
    answers = [sample.answer for sample in samples]
    asked = setting.writers * days
    found = run_one("count", home=home).answer["days"]
    shutil.rmtree(home)
    published = sum(answer["published"] for answer in answers)
    return Race(
        asked=asked,
        published=published,
        # Where days were there before, and are published anew, only the answers can tell.
        found=found - before if before == 1 else published,
        seconds=max(answer["ended"] for answer in answers) - min(answer["began"] for answer in answers),
        snapshots=len({snapshot for answer in answers for snapshot in answer["snapshots"]}),
        lost=sum(answer.get("lost", 0) for answer in answers),
        errors=Counter(error[:TOLD] for answer in answers for error in answer["errors"]),
    )
