"""`lakeproof run --downstream`: what else is to be made again, shown before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeproof.cli.options import grid
from lakeproof.restate import affected, downstream, seconds_a_day
from lakeproof.window import days_text, runs_of_days

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rich.table import Table as Grid

    from lakeproof.asset import TableAsset
    from lakeproof.cli.locations import Location
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.outcome import Outcome
    from lakeproof.restate import Affected

Work = tuple["Location", "TableAsset", "list[Any]"]
"""A table of a code location, and consecutive days of it; none for an unpartitioned table."""


@dataclass(frozen=True)
class Restatement:
    """Days that were asked for, and what follows from them.

    Args:
        lake: The lake, on the output that is run to.
        tables: All tables with their locations, upstream first.
        asked: The days that were asked for, by table.
    """

    lake: Lake
    tables: Sequence[tuple[Location, TableAsset]]
    asked: Mapping[str, Collection[Day]]

    def steps(self) -> list[Affected]:
        """Return what follows if all days come out otherwise than they are."""
        return downstream(self.lake, [made for _, made in self.tables], self.asked)

    def work(self, outcomes: Mapping[str, Sequence[Outcome]]) -> Iterator[Work]:
        """Yield what to run, table by table; only what changed in the runs before spreads.

        Args:
            outcomes: What became of each table's runs; filled while this is read.
        """
        for location, made in self.tables:
            name = made.table.name
            changed = {other: _changed(of_table) for other, of_table in outcomes.items()}
            if name in self.asked:
                changed[name] = set(self.asked[name])
            days = {*self.asked.get(name, ()), *affected(self.lake, made, changed).days}
            if None in days:
                yield location, made, []
            for first, last in runs_of_days(sorted(day for day in days if day is not None)):
                yield location, made, [day for day in sorted(d for d in days if d) if first <= day <= last]

    def shown(self) -> Grid:
        """Return what follows, for the terminal."""
        columns = ["then again", "days", "runs", "about", "because of", "which"]
        return grid("", columns, [self._row(step) for step in self.steps()], right=columns[1:4])

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
            for step in self.steps()
        ]

    def seconds(self, step: Affected) -> float | None:
        """Return how long a step may take; None where the table has no history."""
        a_day = seconds_a_day(self.lake, step.name)
        return None if a_day is None else a_day * len(step.days)

    def _row(self, step: Affected) -> list[Any]:
        seconds = self.seconds(step)
        about = "no history" if seconds is None else f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.1f} s"  # noqa: PLR2004 - what is read better
        which = days_text([day for day in step.days if day is not None]) or "all of it"
        return [step.name, len(step.days), _runs(step.days), about, ", ".join(step.because) or "itself", which]


def _changed(outcomes: Sequence[Outcome]) -> set[Day]:
    """Return the days of a table that came out otherwise than they were."""
    return {day.day for outcome in outcomes for day in outcome.days if day.state == "published"}


def _runs(days: Collection[Day]) -> int:
    return len(list(runs_of_days([day for day in days if day is not None]))) or 1
