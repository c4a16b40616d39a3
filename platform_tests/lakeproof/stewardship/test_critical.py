"""Whom a late day waited for is found from instants alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from lakeproof.stewardship.critical import critical_path, slowest

DAY = date(2024, 3, 1)
END = datetime(2024, 3, 2, tzinfo=UTC)

Node = tuple[str, date]


@dataclass
class Lineage:
    """Days with the hours after the day's end at which they came, and what each was made from."""

    hours: dict[str, float | None]
    reads: dict[str, list[str]]
    other_days: dict[str, float] = field(default_factory=dict)

    def arrived(self, at: Node) -> datetime | None:
        """Return when a day was there."""
        before = {DAY: self.hours.get(at[0]), DAY - timedelta(days=1): self.other_days.get(at[0])}
        hours = before.get(at[1], -100)
        return None if hours is None else END + timedelta(hours=hours)

    def inputs(self, at: Node) -> list[Node]:
        """Return what a day was made from, its own day before where it is a chain."""
        before = [(at[0], at[1] - timedelta(days=1))] if at[0] in self.other_days else []
        return [*((name, at[1]) for name in self.reads.get(at[0], [])), *before]

    def sources(self, at: Node) -> list[str]:
        """Return what a day was collected from."""
        return ["the feed"] if at[0] == "raw" else []


def test_the_path_follows_the_input_that_came_last() -> None:
    """Of two inputs the later one kept the day waiting; the longest step is to blame, not the first in the path."""
    lineage = Lineage(
        {"mart": 9, "clean": 8.5, "raw": 2, "weather": 3}, {"mart": ["clean", "weather"], "clean": ["raw"]}
    )

    path = critical_path(lineage, ("mart", DAY), END)

    assert [(arrival.table, arrival.took) for arrival in path] == [
        ("mart", timedelta(minutes=30)),
        ("clean", timedelta(hours=6, minutes=30)),
        ("raw", timedelta(hours=2)),
    ]
    assert (slowest(path).table, path[-1].sources) == ("clean", ("the feed",))


def test_what_is_missing_comes_after_all_that_is_there() -> None:
    """A day that never came leads to the farthest that did not either."""
    lineage = Lineage({"mart": None, "clean": None, "raw": None, "weather": 30}, {"mart": ["weather", "clean"]})
    lineage.reads["clean"] = ["raw"]

    path = critical_path(lineage, ("mart", DAY), END)

    assert [arrival.table for arrival in path] == ["mart", "clean", "raw"]
    assert (slowest(path).table, slowest(path).took) == ("raw", None)


def test_what_was_there_before_the_day_ended_kept_nobody_waiting() -> None:
    """A chain does not lead back to its start, nor a reference table to the year it was loaded in."""
    lineage = Lineage({"totals": 7, "raw": -5}, {"totals": ["raw"]}, other_days={"totals": -17})

    path = critical_path(lineage, ("totals", DAY), END)

    assert [(arrival.table, arrival.took) for arrival in path] == [("totals", timedelta(hours=7))]


def test_a_late_day_before_is_on_the_path() -> None:
    """A chain whose day before came after this day ended waited for it."""
    lineage = Lineage({"totals": 7}, {}, other_days={"totals": 6})

    path = critical_path(lineage, ("totals", DAY), END)

    assert [arrival.day for arrival in path] == [DAY, DAY - timedelta(days=1)]
    assert slowest(path).day == DAY - timedelta(days=1)
