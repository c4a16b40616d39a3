"""Which days downstream of a change have to be made again, and how long that took before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING

from lakeproof.lake.confirmed import last_made
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.live import View
from lakeproof.outdated import reads_something_else
from lakeproof.reads import tables_read
from lakeproof.window import Window

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.reads import Reads

REMEMBERED_RUNS = 5
"""From how many of its latest runs a table's time is estimated."""


@dataclass(frozen=True)
class Affected:
    """Days of a table to make again.

    Args:
        name: The table.
        days: Its days, in order; `(None,)` for an unpartitioned table.
        because: The tables it reads that changed.
    """

    name: str
    days: tuple[Day, ...]
    because: tuple[str, ...]


def affected(lake: Lake, made: Reads, changed: Mapping[str, Collection[Day]]) -> Affected:
    """Return the published days of a table that were made from days that changed.

    A trailing window makes more days than one, and a table that builds on itself all later ones. A daily table that
    reads another as it is now has no day of it, and nothing of it is out of date; what was never published is for the
    sensors.

    Args:
        lake: The lake.
        made: The table.
        changed: The days that changed, by table.
    """
    table = made.table
    reading = [(how, set(changed.get(how.table.name, ()))) for _, how in tables_read(made)]
    because = tuple(dict.fromkeys(how.table.name for how, days in reading if days and how.table is not table))
    if not any(days for _, days in reading):
        return Affected(table.name, (), ())
    live = View.open(lake, table).days
    if table.partition is None:
        return Affected(table.name, (None,) if None in live else (), because)
    days: list[Day] = []
    for day in sorted(day for day in live if day is not None):
        window = Window.of(day, timezone=table.timezone)
        for how, of_input in reading:
            read = how.window(window)
            again = set(days) if how.table is table else set()
            if read is not None and not (of_input | again).isdisjoint(read.days):
                days.append(day)
                break
    return Affected(table.name, tuple(days), because if days else ())


def downstream(lake: Lake, tables: Sequence[Reads], changed: Mapping[str, Collection[Day]]) -> list[Affected]:
    """Return what is to be made again if all of some days change, and all that is made from them does, too.

    Args:
        lake: The lake.
        tables: All tables, upstream first.
        changed: The days that change, by table; the further days of a table that builds on itself are added.
    """
    reached = {name: set(days) for name, days in changed.items()}
    found = []
    for made in tables:
        step = affected(lake, made, reached)
        if new := tuple(day for day in step.days if day not in changed.get(step.name, ())):
            found.append(Affected(step.name, new, step.because))
            reached.setdefault(step.name, set()).update(new)
    return found


def outdated(lake: Lake, made: Reads, days: Collection[Day]) -> set[Day]:
    """Return those of some published days that were made from other content than their inputs have now.

    So a restatement that was broken off is gone on with, although what was published before is found unchanged.

    Args:
        lake: The lake.
        made: The table.
        days: The days to look at.
    """
    found: dict[str, tuple[IcebergTable, Mapping[Day, str]] | None] = {}

    def stored(name: str) -> tuple[IcebergTable, Mapping[Day, str]] | None:
        if name not in found:
            table = lake.find(name)
            runs = {} if table is None else {day: live.run or "" for day, live in View.of(table).days.items()}
            found[name] = None if table is None else (table, runs)
        return found[name]

    own = stored(made.table.name) if days else None
    if own is None:
        return set()
    old: set[Day] = set()
    for run, of_run in _by_run(last_made(*own), days).items():
        if record := read_evidence(own[0], run):
            old |= {day for day in of_run if reads_something_else(made, day, record, stored)}
    return old


def _by_run(runs: Mapping[Day, str], days: Collection[Day]) -> dict[str, list[Day]]:
    """Return days by the run that made them last, so that the evidence of each is read once."""
    found: dict[str, list[Day]] = {}
    for day in days:
        if run := runs.get(day):
            found.setdefault(run, []).append(day)
    return found


def seconds_a_day(lake: Lake, name: str) -> float | None:
    """Return how long a table took for a day in its latest runs, from the first row to the last audit; None if unknown.

    Args:
        lake: The lake.
        name: The table.
    """
    table = lake.find(name)
    if table is None:
        return None
    runs = sorted({live.run for live in View.of(table).days.values() if live.run}, reverse=True)[:REMEMBERED_RUNS]
    told = []
    for run in runs:
        record = read_evidence(table, run) or {}
        if record.get("days") and "started" in record:
            began, ended = (datetime.fromisoformat(record[at]) for at in ("started", "audited"))
            told.append((ended - began).total_seconds() / len(record["days"]))
    return median(told) if told else None
