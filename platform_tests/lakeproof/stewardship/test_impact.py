from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakeproof import Column, Table, Window, audit, daily_table
from lakeproof.asset import table_assets
from lakeproof.stewardship.impact import impact
from lakeproof.stewardship.incidents import Symptom, derive

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakeproof.stewardship.incidents import Incident


def declared(name: str, **changes: Any) -> Table:
    """Declare a table of January 2024."""
    columns, audits = [Column("day", "date")], [audit.row_count(at_least=1)]
    days = {"partition": "day", "start": "2024-01-01", "end": "2024-02-01"} if changes.pop("daily", True) else {}
    return Table(f"stream.{name}", columns=columns, layer="analysis", owner="team:x", audits=audits, **days, **changes)


spring = declared("spring")
river = declared("river", gaps={"2024-01-06": "the gauge froze"})
lake = declared("lake")
sea = declared("sea")
chart = declared("chart", daily=False)


@daily_table(spring)
def make_spring(window: Window) -> pl.DataFrame:
    """Be the one with the incident."""
    raise NotImplementedError(window)


@daily_table(river, spring=spring.last(days=3))
def make_river(spring: pl.DataFrame) -> pl.DataFrame:
    """Read three days."""
    return spring


@daily_table(lake, river=river)
def make_lake(river: pl.DataFrame) -> pl.DataFrame:
    """Read the river's day."""
    return river


@daily_table(sea, river=river, before=sea.previous())
def make_sea(river: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Add the river's day to the day before."""
    return pl.concat([before, river])


@daily_table(chart, spring=spring.latest())
def draw_chart(spring: pl.DataFrame) -> pl.DataFrame:
    """Read what there is."""
    return spring


MADE = {
    made.table.name: made
    for made in table_assets(a.key for a in (make_spring, make_river, make_lake, make_sea, draw_chart))
}


def day(number: int) -> date:
    """Return a numbered day of January 2024."""
    return date(2024, 1, number)


def incident() -> Incident:
    """Return one about the fifth."""
    at = datetime(2024, 1, 6, tzinfo=UTC)
    return derive([Symptom("stream.spring", "held", frozenset({"a"}), (day(5),), at, "why")], [])[0]


def waited(last: int, had: Sequence[tuple[str, int]] = ()) -> dict[str, list[int]]:
    """Return the number of each day that waited, by table."""

    def published(table: str, days: Iterable[date | None]) -> list[date | None]:
        return [each for each in days if each is not None and (table, each.day) in had]

    found = impact(incident(), MADE, day(last), published)
    return {one.table.name.removeprefix("stream."): [each.day for each in one.days if each] for one in found}


def test_days_wait_through_windows_and_chains() -> None:
    """A trailing window waits as long as it reaches back, a cumulative table to the end; not for days that are gaps."""
    assert waited(last=9) == {"spring": [5], "river": [5, 7], "lake": [5, 7], "sea": [5, 6, 7, 8, 9]}


@pytest.mark.parametrize(
    ("had", "left"),
    [
        ([("stream.river", 5)], {"spring": [5], "river": [7], "lake": [7], "sea": [7, 8, 9]}),
        ([("stream.spring", 5)], {}),
    ],
)
def test_what_readers_had_before_did_not_wait(had: list[tuple[str, int]], left: dict[str, list[int]]) -> None:
    """Nor did what only depends on it."""
    assert waited(last=9, had=had) == left


def test_days_that_are_not_over_do_not_wait_yet() -> None:
    """Nobody expected them while the incident was open."""
    assert waited(last=5) == {"spring": [5], "river": [5], "lake": [5], "sea": [5]}
