"""What tables used and cost on some days, from Dagster's record and Iceberg's metadata: nothing is kept."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof.cost.bill import used_of
from lakeproof.cost.price import priced, usd_a_day
from lakeproof.cost.used import MILLION, Used
from lakeproof.lake.kept import Kept
from lakeproof.spec import AT_WORK_ON_TAG
from lakeproof.stewardship.ended import runs_ended, step_events
from lakeproof.stewardship.spent import Spent
from lakeproof.window import Window

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from lakeproof.cost.rates import Rates
    from lakeproof.lake.catalog import Lake

Event = dg.DagsterEventType
BEGIN = {Event.STEP_START, Event.STEP_RESTARTED}
END = {Event.STEP_SUCCESS, Event.STEP_FAILURE, Event.STEP_UP_FOR_RETRY}
TOLD = {Event.ASSET_MATERIALIZATION, Event.ASSET_OBSERVATION}
PLANNED = Event.ASSET_MATERIALIZATION_PLANNED

GOOD = "published"
"""The outcome of a day of which readers got something new."""


@dataclass
class Usage:
    """What a table used on one day of the clock.

    Args:
        day: The day of the clock, in UTC.
        table: The table's name.
        good: For what readers got.
        wasted: For what they got nothing new of: days held, unchanged, moved, blocked or not ready, runs that failed
            or were killed, attempts that were repeated, and runs to an output beside `main`.
        kept: Bytes of data files that it kept at the end of the day.
    """

    day: date
    table: str
    good: Used = field(default_factory=Used)
    wasted: Used = field(default_factory=Used)
    kept: int = 0

    def spent(self, rates: Rates) -> Spent:
        """Return it in US dollars.

        Raises:
            UsageError: A rate is missing.
        """
        good, wasted = priced(self.good, rates), priced(self.wasted, rates)
        storage = usd_a_day(self.kept, rates)
        return Spent(self.day, self.table, good.compute, storage, good.requests, wasted.usd)


def spending(
    instance: dg.DagsterInstance, lake: Lake, known: Collection[str], window: Window, rates: Rates
) -> list[Spent]:
    """Return what tables cost on each day of a window on which they cost anything, by day and name.

    Args:
        instance: Dagster's record.
        lake: The lake.
        known: The names of the tables.
        window: Days of the clock, in UTC: a run belongs to the day on which it ended.
        rates: What things cost; from `read_rates`.

    Raises:
        UsageError: A rate is missing.
        LakeError: The storage refused.
    """
    return [usage.spent(rates) for usage in usage_of(instance, lake, known, window)]


def usage_of(instance: dg.DagsterInstance, lake: Lake, known: Collection[str], window: Window) -> list[Usage]:
    """Return what tables used on each day of a window on which they used anything, by day and name.

    Args:
        instance: Dagster's record.
        lake: The lake.
        known: The names of the tables.
        window: Days of the clock, in UTC.

    Raises:
        LakeError: The storage refused.
    """
    found: dict[tuple[date, str], Usage] = {}

    def of(day: date, table: str) -> Usage:
        return found.setdefault((day, table), Usage(day, table))

    for day, table, used, good in _recorded(instance, window):
        if table in known:
            usage = of(day, table)
            if good:
                usage.good += used
            else:
                usage.wasted += used
    for name in known:
        if (stored := lake.find(name)) is not None:
            kept = Kept(stored)
            for day in window.days:
                if size := kept.at(Window.of(day).end):
                    of(day, name).kept = size
    return [found[key] for key in sorted(found)]


def _recorded(instance: dg.DagsterInstance, window: Window) -> Iterator[tuple[date, str, Used, bool]]:
    """Yield the day, the table, what was used, and whether readers got something of it, of each run of a window."""
    for run, ended in runs_ended(instance, window):
        day = datetime.fromtimestamp(ended, UTC).date()
        yield from ((day, *told) for told in _of_run(instance, run, ended))


def _of_run(instance: dg.DagsterInstance, run: dg.DagsterRun, ended: float) -> Iterator[tuple[str, Used, bool]]:
    at_work_on = run.tags.get(AT_WORK_ON_TAG, "")
    steps: dict[str, _Step] = defaultdict(lambda: _Step(at_work_on))
    for key, event, at in step_events(instance, run, {PLANNED, *BEGIN, *END, *TOLD}):
        steps[key].take(event, at)
    for step in steps.values():
        yield from step.told
        if step.table and (unseen := step.unseen(ended)):
            yield step.table, Used(unseen=unseen), False


class _Step:
    """What the events of a step say was used.

    Args:
        table: Whose step it is, where no event says so: none plans an asset in a run to an output.
    """

    def __init__(self, table: str = "") -> None:
        self.table = table
        self.told: list[tuple[str, Used, bool]] = []
        self._began: float | None = None
        self._unseen = 0.0

    def take(self, event: dg.DagsterEvent, at: float) -> None:
        """Take an event, in order."""
        if event.event_type is PLANNED:
            self.table = _name(event.asset_key)
        elif event.event_type in BEGIN:
            self._began = at
        elif event.event_type is Event.ASSET_MATERIALIZATION:
            said = _plain(event.materialization.metadata)
            self._tell(_name(event.asset_key), used_of(said), good=said.get("outcome") == GOOD)
            self._measured_until(at, used_of(said))
        elif event.event_type is Event.ASSET_OBSERVATION:
            observed = event.asset_observation_data.asset_observation
            used = used_of(_plain(observed.metadata))
            self._tell(_name(observed.asset_key), used, good=False)
            self._measured_until(at, used)
        elif event.event_type in END:
            self._end(event, at)

    def _end(self, event: dg.DagsterEvent, at: float) -> None:
        used = None
        if event.event_type is Event.STEP_FAILURE and (failure := event.step_failure_data.user_failure_data):
            used = used_of(_plain(failure.metadata))
            self._tell(self.table, used, good=False)
        if event.event_type is not Event.STEP_SUCCESS and used is None:
            self._unseen += at - (at if self._began is None else self._began)
        self._began = None

    def _measured_until(self, at: float, used: Used | None) -> None:
        """Take note that what came before has a measure: of what is killed later, the clock counts the rest alone."""
        if used is not None and self._began is not None:
            self._began = at

    def unseen(self, ended: float) -> int:
        """Return the microseconds of attempts that left no measure; one that never ended, ended with its run."""
        begun = 0.0 if self._began is None else max(0.0, ended - self._began)
        return round((self._unseen + begun) * MILLION)

    def _tell(self, table: str, used: Used | None, *, good: bool) -> None:
        if used is not None and table:
            self.told.append((table, used, good))


def _name(key: dg.AssetKey | None) -> str:
    return ".".join(key.path) if key is not None else ""


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}
