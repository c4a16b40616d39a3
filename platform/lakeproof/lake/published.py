"""When each day was first published: what SLAs are judged by, carried from run to run, since all else is let go.

The instant is that of the first commit, as its snapshot has it. Snapshots expire and replaced runs' evidence is
removed, so each run's evidence carries the instants of its own days that were published before, and of all days of the
last weeks. So one file tells a whole season, and a replaced day keeps its first instant. A day that was published when
more publishes followed than snapshots are kept, before any evidence could carry it, has the instant at which its audits
passed: before the commit, by as long as the commit took.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pyiceberg.io import load_file_io

from lakeproof.lake.days import day_key
from lakeproof.lake.evidence import PATH_KEY, SHA256_KEY, evidence_location
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import RUN, read_file
from lakeproof.lake.heads import published_runs
from lakeproof.lake.live import View
from lakeproof.lake.output import OutputTable, is_of_output, summary_of
from lakeproof.window import ONE_DAY, Window

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay

AHEAD = timedelta(days=31)
"""How far beyond the days that are asked for it is looked, for the days that will be asked for next."""

FIRST_KEY = "first_published"
"""Where a run's evidence says when days were first published, of those that were published before it."""

CARRIED_DAYS = 100
"""How many days before today each run's evidence tells of: the ninety that SLAs look at, and some to spare."""


def first_published(table: IcebergTable, live: Mapping[Day, LiveDay]) -> dict[Day, datetime | None]:
    """Return when each of some published days was first published, whatever replaced it since.

    None where nobody knows: another engine published the day, or its evidence is gone or damaged.

    Args:
        table: The Iceberg table.
        live: The days.

    Raises:
        LakeError: The storage refused.
    """
    return _first(table, {day: of_day.run for day, of_day in live.items()})


class FirstPublish(NamedTuple):
    """A published day.

    Args:
        run: The run that readers have it from; None when another engine published it.
        first: When it was first published, whatever replaced it since; None when nobody knows.
    """

    run: str | None
    first: datetime | None


def first_publishes(table: IcebergTable, days: Collection[date]) -> dict[Day, FirstPublish]:
    """Return the published ones of some days, as `first_published` has them.

    What was found last of each table is kept for as long as it is the same: sensors ask each minute, and finding it
    reads what a commit wrote.

    Args:
        table: The Iceberg table, as readers have it or as an output has it.
        days: The days.

    Raises:
        LakeError: The storage refused.
    """
    if not days:
        return {}
    first, last = min(days), max(days)
    known = None if isinstance(table, OutputTable) else _FOUND.get(table.location())
    if known is None or known.metadata != table.metadata_location:
        known = _find(table, first, last + AHEAD)
    elif first < known.first or known.last < last:
        known = _find(table, min(first, known.first), max(last + AHEAD, known.last))
    return {day: known.days[day] for day in days if day in known.days}


@dataclass(frozen=True)
class _Found:
    """What was found of a table's days from the first to the last."""

    metadata: str
    first: date
    last: date
    days: Mapping[Day, FirstPublish]


_FOUND: dict[str, _Found] = {}
"""What was found last of each table, by its location."""


def _find(table: IcebergTable, first: date, last: date) -> _Found:
    days = Window(first, last + ONE_DAY).days
    if isinstance(table, OutputTable):
        runs = {day: of_day.run for day, of_day in View.of(table, days).days.items()}
    else:
        named = published_runs(table, days)
        runs = {day: run if RUN.fullmatch(run) else None for day, run in named.items()}
    instants = _first(table, runs)
    found = {day: FirstPublish(run, instants[day]) for day, run in runs.items()}
    at = _Found(table.metadata_location, first, last, found)
    if not isinstance(table, OutputTable):  # which changes with its table, and is none of a sensor's
        _FOUND[table.location()] = at
    return at


def _first(table: IcebergTable, runs: Mapping[Day, str | None]) -> dict[Day, datetime | None]:
    """Return when days were first published that readers have from these runs."""
    commits = _commits(table)
    newest = _told(table, next(iter(commits), None), commits)
    return {day: newest.first(day) or _of_run(table, day, run, commits) for day, run in runs.items()}


def carried(table: IcebergTable, days: Collection[Day]) -> dict[str, datetime]:
    """Return what a run's evidence shall say of days that were published before it, by day.

    Args:
        table: The Iceberg table, as the run knows it.
        days: The days of the run; recent ones are added.
    """
    if None in days:
        return {}
    today = datetime.now(UTC).date()
    recent = {today - timedelta(days=n) for n in range(CARRIED_DAYS)}
    live = View.of(table, recent.union(days)).days
    return {day_key(day): at for day, at in first_published(table, live).items() if at is not None}


@dataclass(frozen=True)
class _Commit:
    """When a run committed, and the SHA-256 of its evidence, as its snapshot has them."""

    at: datetime
    sha256: str | None


@dataclass(frozen=True)
class _Told:
    """What a run's evidence says of instants, and the SHA-256 of the file."""

    audited: datetime | None
    firsts: Mapping[str, datetime]
    sha256: str

    def first(self, day: Day) -> datetime | None:
        return self.firsts.get(day_key(day))


NOTHING = _Told(None, {}, "")


def _of_run(table: IcebergTable, day: Day, run: str | None, commits: Mapping[str, _Commit]) -> datetime | None:
    """Return when the day was published before its run, else when that run published it."""
    if run is None:
        return None
    location = evidence_location(table, run)
    told = _told(table, location, commits)
    if told is NOTHING:
        return None
    return told.first(day) or (commits[location].at if location in commits else told.audited)


def _commits(table: IcebergTable) -> dict[str, _Commit]:
    """Return the commit of each run whose snapshot lives, by where its evidence lies; the newest first."""
    found = {}
    for snapshot in reversed(table.metadata.snapshots):
        summary = {} if is_of_output(snapshot) else summary_of(snapshot)
        if (location := summary.get(PATH_KEY)) is not None:
            found[location] = _Commit(
                datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC), summary.get(SHA256_KEY)
            )
    return found


def _told(table: IcebergTable, location: str | None, commits: Mapping[str, _Commit]) -> _Told:
    """Return what evidence says; nothing when it is gone, damaged, or not the file that its snapshot names."""
    if location is None:
        return NOTHING
    with lake_faults(f"reading the evidence {location}"):
        try:
            told = _parsed(location, tuple(sorted(table.io.properties.items())))
        except (LookupError, ValueError, TypeError, AttributeError):  # not kept: it may be mended
            return NOTHING
    return told if location not in commits or commits[location].sha256 == told.sha256 else NOTHING


@lru_cache(maxsize=4096)
def _parsed(location: str, properties: tuple[tuple[str, Any], ...]) -> _Told:
    """Read evidence, which never changes."""
    data = read_file(load_file_io(dict(properties), location), location) or b"{}"
    record = json.loads(data)
    firsts = {day: datetime.fromisoformat(at) for day, at in record[FIRST_KEY].items()}
    return _Told(datetime.fromisoformat(record["audited"]), firsts, hashlib.sha256(data).hexdigest())
