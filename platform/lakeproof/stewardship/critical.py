"""Whom a late day waited for: from each day to the input that came last, as far as what came after the day's end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    At = tuple[str, date]
    """A table and a day of it."""


@dataclass(frozen=True)
class Arrival:
    """A day on the critical path.

    Args:
        table: The table.
        day: The day.
        at: When it was first published; None when it is not.
        took: How long that was after the last of its inputs was there, or after the end of the day that was late; None
            when it is not published.
        sources: What it collects from, if it does.
    """

    table: str
    day: date
    at: datetime | None
    took: timedelta | None
    sources: tuple[str, ...] = ()


class Lineage(Protocol):
    """What must be known of days to find whom one waited for."""

    def arrived(self, at: At) -> datetime | None:
        """Return when a day was first published; None when it is not."""

    def inputs(self, at: At) -> Iterable[At]:
        """Return the days of tables that a day was made from, or will be."""

    def sources(self, at: At) -> Iterable[str]:
        """Return the sources that a day was collected from, or will be."""


def critical_path(lineage: Lineage, at: At, day_end: datetime) -> tuple[Arrival, ...]:
    """Return a late day, the input that came last, that one's last input, and so on.

    What was there before the day ended kept nobody waiting, and ends the path.

    Args:
        lineage: What is known of days.
        at: The table and day that was late.
        day_end: When the day ended.
    """
    path = [at]
    while (latest := _latest(lineage, path, day_end)) is not None:
        path.append(latest)
    arrivals = []
    for place, (table, day) in enumerate(path):
        there = lineage.arrived((table, day))
        before = lineage.arrived(path[place + 1]) if place + 1 < len(path) else day_end
        took = there - before if there is not None and before is not None else None
        arrivals.append(Arrival(table, day, there, took, tuple(lineage.sources((table, day)))))
    return tuple(arrivals)


def slowest(path: Sequence[Arrival]) -> Arrival:
    """Return the day on a critical path to look at first: the farthest that is missing, else the slowest."""
    absent = [arrival for arrival in path if arrival.at is None]
    return absent[-1] if absent else max(path, key=lambda arrival: arrival.took or timedelta())


def _latest(lineage: Lineage, path: Sequence[At], day_end: datetime) -> At | None:
    """Return the last input of a path's end to arrive; one that is not there comes after all that are."""
    late = []
    for at in lineage.inputs(path[-1]):
        arrived = lineage.arrived(at)
        if at not in path and (arrived is None or arrived > day_end):
            late.append((arrived is None, arrived or day_end, at))
    return max(late)[2] if late else None
