"""`lakeproof run --downstream`: what else is to be made again, shown before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakeproof.cli.options import which
from lakeproof.cli.terminal import grid
from lakeproof.restate import Affected, affected, downstream, outdated, seconds_a_day
from lakeproof.window import runs_of_days

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rich.table import Table as Grid

    from lakeproof.asset import TableAsset
    from lakeproof.cli.locations import Location
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.outcome import Outcome

Work = tuple["Location", "TableAsset", "list[Any]"]
"""A table of a code location, and consecutive days of it; none for an unpartitioned table."""

MINUTES_FROM = 100
"""From how many seconds on minutes are read better."""


@dataclass(frozen=True)
class Restatement:
    """Days that were asked for, and what follows from them.

    Args:
        lake: The lake, on the output that is run to.
        tables: All tables with their locations, upstream first.
        asked: The days that were asked for, by table.
        ran: The days that were handed out to be run, by table.
    """

    lake: Lake
    tables: Sequence[tuple[Location, TableAsset]]
    asked: Mapping[str, Collection[Day]]
    ran: dict[str, set[Day]] = field(default_factory=dict)

    @cached_property
    def steps(self) -> list[Affected]:
        """What follows if all days come out otherwise than they are, as the lake was when this was first asked."""
        return downstream(self.lake, [made for _, made in self.tables], self.asked)

    @property
    def runs(self) -> int:
        """How many runs it takes at most."""
        listed = [*self.asked.values(), *(step.days for step in self.steps)]
        return sum(_runs(days) for days in listed)

    def work(self, outcomes: Mapping[str, Sequence[Outcome]]) -> Iterator[Work]:
        """Yield what to run, table by table; only what changed spreads, in the runs before or in one that broke off.

        Args:
            outcomes: What became of each table's runs; filled while this is read.
        """
        may_follow = {step.name: step.days for step in self.steps}
        for location, made in self.tables:
            name = made.table.name
            changed = {other: _changed(of_table) for other, of_table in outcomes.items()}
            begin = {*self.asked.get(name, ()), *outdated(self.lake, made, may_follow.get(name, ()))}
            days = begin.union(affected(self.lake, made, changed | {name: begin}).days)
            self.ran[name] = days
            if None in days:
                yield location, made, []
            listed = sorted(day for day in days if day is not None)
            for first, last in runs_of_days(listed):
                yield location, made, [day for day in listed if first <= day <= last]

    def skipped(self) -> list[Affected]:
        """Return what might have followed and was not run, because nothing that it reads changed."""
        left = [
            Affected(step.name, tuple(day for day in step.days if day not in self.ran[step.name]), step.because)
            for step in self.steps
            if step.name in self.ran
        ]
        return [step for step in left if step.days]

    def shown(self) -> Grid:
        """Return what follows, for the terminal."""
        columns = ["then again", "days", "runs", "about", "because of", "which"]
        return grid("", columns, [self._row(step) for step in self.steps], right=columns[1:4])

    def record(self) -> list[dict[str, Any]]:
        """Return what follows as plain values."""
        return [
            {
                "table": step.name,
                "days": list(step.days),
                "runs": _runs(step.days),
                "seconds": self.seconds(step),
                "because": list(step.because),
            }
            for step in self.steps
        ]

    def seconds(self, step: Affected) -> float | None:
        """Return how long a step may take; None where the table has no history."""
        a_day = seconds_a_day(self.lake, step.name)
        return None if a_day is None else a_day * len(step.days)

    def _row(self, step: Affected) -> list[Any]:
        seconds = self.seconds(step)
        if seconds is None:
            about = "no history"
        else:
            about = f"{seconds / 60:.0f} min" if seconds >= MINUTES_FROM else f"{seconds:.1f} s"
        because = ", ".join(step.because) or "itself"
        return [step.name, len(step.days), _runs(step.days), about, because, which(step.days)]


def _changed(outcomes: Sequence[Outcome]) -> set[Day]:
    """Return the days of a table that came out otherwise than they were."""
    return {day.day for outcome in outcomes for day in outcome.days if day.state == "published"}


def _runs(days: Collection[Day]) -> int:
    return len(list(runs_of_days([day for day in days if day is not None]))) or 1
