"""What the lake itself knows of its publishes: reports and lineage are read from it, and from nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from lakeproof.contract import Input
from lakeproof.lake.days import key_day
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.promise import Declared
from lakeproof.lake.published import first_publishes
from lakeproof.reads import awaited_by
from lakeproof.stewardship.attainment import HISTORY, Promise, Report, judge
from lakeproof.stewardship.critical import critical_path
from lakeproof.window import ONE_DAY, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.asset import TableAsset
    from lakeproof.contract import Table
    from lakeproof.lake.published import FirstPublish
    from lakeproof.parts import Sla
    from lakeproof.stewardship.attainment import SlaDay
    from lakeproof.stewardship.critical import Arrival, At

ALWAYS = datetime.min.replace(tzinfo=UTC)

AROUND = timedelta(days=45)
"""How far around a day its neighbours are looked up with it: a trailing window asks for them next."""


class Finds(Protocol):
    """A lake, or tables as a look of a sensor found them."""

    def find(self, name: str) -> IcebergTable | None:
        """Return the table of that name, or None."""


def report_of(lake: Finds, table: Table, now: datetime, days: int = HISTORY) -> Report | None:
    """Return how a table keeps its SLA; None when it has none.

    Args:
        lake: Where the table is found, as readers have it.
        table: The contract.
        now: The instant of the report.
        days: How many days to judge, up to the one that ended last.

    Raises:
        LakeError: The catalog or the storage refused.
    """
    if table.sla is None:
        return None
    stored = lake.find(table.name)
    promise = in_force(table.sla, None if stored is None else Declared.of(stored.properties))
    judged = _days(table, promise, now, days)
    promised = [day for day in judged if promise.covers(day)]
    found = first_publishes(stored, promised) if stored is not None else {}
    published = {day: publish.first for day, publish in found.items()}
    gaps = {day: why for day in judged if (why := table.gap(day)) is not None}
    return Report(table.name, promise, now, judge(promise, judged, published, gaps, now))


def in_force(sla: Sla, declared: Declared | None) -> Promise:
    """Return the promise that days are judged by: the contract's own since its `since`, else what the table remembers.

    What the contract says anew holds from the next publish on, which stores it; until then the stored one does.
    """
    if sla.since is not None or declared is None:
        return Promise(sla)
    return Promise(declared.sla, declared.instant)


def _days(table: Table, promise: Promise, now: datetime, count: int) -> tuple[date, ...]:
    """Return the days that ended last, and as many before them that `count` of them are due."""
    today = now.astimezone(ZoneInfo(promise.sla.timezone)).date()
    until = min(today, table.until_day or today)
    first = max(table.first_day, until - (count + 1) * ONE_DAY)
    return Window(first, until).days if first < until else ()


class LakeLineage:
    """What days were made from, by their evidence; of days that are not published, by the contracts that are loaded.

    Args:
        lake: Where tables are found, as readers have them.
        made: The tables whose code is loaded, by name.
    """

    def __init__(self, lake: Finds, made: Mapping[str, TableAsset]) -> None:
        self._lake = lake
        self._made = made
        self._tables: dict[str, IcebergTable | None] = {}
        self._live: dict[At, FirstPublish] = {}
        self._looked: set[At] = set()
        self._records: dict[tuple[str, str], dict[str, Any] | None] = {}

    def path(self, report: Report, day: SlaDay) -> tuple[Arrival, ...]:
        """Return the critical path of a day that was missed; it ended at midnight in the SLA's zone."""
        end = Window.of(day.day, timezone=report.promise.sla.timezone).end.astimezone(UTC)
        return critical_path(self, (report.table, day.day), end)

    def arrived(self, at: At) -> datetime | None:
        """Return when a day was first published; None when it is not.

        One of which nobody knows counts as there all the time: it cannot be blamed.
        """
        self._look(at)
        return self._live[at].first or ALWAYS if at in self._live else None

    def inputs(self, at: At) -> Iterable[At]:
        """Return the days of tables that a day was made from, or will be."""
        if (record := self._record(at)) is not None:
            for read in record["inputs"].values():
                days = (key_day(key) for key in read.get("days", ()) if "table" in read)
                yield from ((read["table"], day) for day in days if day is not None)
        elif at[0] in self._made:
            for how in self._made[at[0]].inputs.values():
                window = how.window(Window.of(at[1])) if isinstance(how, Input) else None
                if isinstance(how, Input) and window is not None:
                    yield from ((how.table.name, day) for day in window.days if how.table.gap(day) is None)

    def sources(self, at: At) -> Iterable[str]:
        """Return what a day was collected from or waited for outside the lake, or will be."""
        if (record := self._record(at)) is not None:
            yield from (read["source"] for read in record["inputs"].values() if "source" in read)
        elif at[0] in self._made:
            yield from (how.name for how in awaited_by(self._made[at[0]]).values())

    def _record(self, at: At) -> dict[str, Any] | None:
        self._look(at)
        found, table = self._live.get(at), self._tables[at[0]]
        if found is None or found.run is None or table is None:
            return None
        run = found.run
        if (at[0], run) not in self._records:
            self._records[at[0], run] = read_evidence(table, run)
        return self._records[at[0], run]

    def _look(self, at: At) -> None:
        """Look up a day, and those around it, in one go."""
        name, day = at
        if at in self._looked:
            return
        if name not in self._tables:
            self._tables[name] = self._lake.find(name)
        table, around = self._tables[name], Window(day - AROUND, day + AROUND).days
        self._looked |= {(name, d) for d in around}
        if table is not None:
            self._live |= {(name, d): found for d, found in first_publishes(table, around).items() if d is not None}
