"""What follows from days that change: exactly the published days that were made from them, and how long they took."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table
from lakeproof.asset import TableAsset, table_assets
from lakeproof.cli.downstream import Restatement
from lakeproof.outcome import DayOutcome, Outcome
from lakeproof.restate import affected, downstream, seconds_a_day
from lakeproof.testing import given

if TYPE_CHECKING:
    import dagster as dg

FIRST = date(2024, 1, 1)


def table(name: str, **changes: Any) -> Table:
    """Declare a small table of days."""
    fields: dict[str, Any] = {
        "columns": [Column("day", "date"), Column("value", "int")],
        "partition": "day",
        "start": FIRST,
        "layer": "analysis",
        "owner": "team:lab",
        "audits": [audit.not_null("value")],
    }
    return Table(name, **{**fields, **changes})


def days(*numbers: int) -> tuple[date, ...]:
    """Return numbered days; 1 is the first."""
    return tuple(FIRST + timedelta(days=n - 1) for n in numbers)


@pytest.fixture(scope="module")
def chain() -> tuple[Lakehouse, list[TableAsset]]:
    """A source table, a window over it, a running total, a diamond, and a summary without days; ten days of each."""
    raw, week, total = table("restated.raw"), table("restated.week"), table("restated.total", end="2024-01-11")
    both = table("restated.both", gaps={"2024-01-04": "closed"})
    summary = table("restated.summary", partition=None, start=None, columns=[Column("value", "int")])

    @daily_table(raw)
    def make_raw(window: Window) -> pl.DataFrame: ...

    @daily_table(week, raw=raw.last(days=3))
    def make_week(window: Window, raw: pl.DataFrame) -> pl.DataFrame: ...

    @daily_table(total, raw=raw, before=total.previous())
    def make_total(window: Window, raw: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame: ...

    @daily_table(both, week=week, total=total)
    def make_both(window: Window, week: pl.DataFrame, total: pl.DataFrame) -> pl.DataFrame: ...

    @daily_table(summary, both=both.latest())
    def make_summary(both: pl.DataFrame) -> pl.DataFrame: ...

    lakehouse = Lakehouse.in_memory()
    for one in (raw, week, total, both):
        listed = [day for day in days(*range(1, 11)) if one.gap(day) is None]
        given(lakehouse, one, pl.DataFrame({"day": listed, "value": [1] * len(listed)}))
    given(lakehouse, summary, pl.DataFrame({"value": [1]}))
    assets: list[dg.AssetsDefinition] = [make_raw, make_week, make_total, make_both, make_summary]
    return lakehouse, table_assets(asset.key for asset in assets)


def test_windows_totals_and_what_has_no_days_follow_exactly(chain: Any) -> None:
    """A day in a window of three makes three; a total all later ones; a gap none; a summary one run."""
    lakehouse, made = chain

    found = {step.name: step.days for step in downstream(lakehouse.lake, made, {"restated.raw": days(3)})}

    assert found == {
        "restated.week": days(3, 4, 5),
        "restated.total": days(3, 4, 5, 6, 7, 8, 9, 10),
        "restated.both": days(3, 5, 6, 7, 8, 9, 10),
        "restated.summary": (None,),
    }


def test_the_later_days_of_a_total_follow_from_one_of_its_own(chain: Any) -> None:
    """And only those that are published."""
    lakehouse, made = chain

    steps = downstream(lakehouse.lake, made, {"restated.total": days(8)})

    assert steps[0].name == "restated.total"
    assert steps[0].days == days(9, 10)
    assert steps[0].because == ()


def test_a_day_at_the_end_of_a_window_makes_no_day_that_is_not_there(chain: Any) -> None:
    """What was never published is for the sensors."""
    lakehouse, made = chain

    assert affected(lakehouse.lake, made[1], {"restated.raw": days(10)}).days == days(10)
    assert affected(lakehouse.lake, made[1], {"restated.raw": days(12)}).days == ()


def test_what_comes_out_as_it_was_spreads_no_further(chain: Any) -> None:
    """Only the days that were published anew are followed."""
    lakehouse, made = chain
    work = Restatement(lakehouse.lake, [(None, one) for one in made], {"restated.raw": days(3, 4)})
    outcomes: dict[str, list[Outcome]] = {}
    ran: list[tuple[str, tuple[date, ...]]] = []

    for _, one, listed in work.work(outcomes):
        ran.append((one.table.name, tuple(listed)))
        state = {"restated.raw": "published", "restated.week": "published"}.get(one.table.name, "unchanged")
        told = [DayOutcome(day, "unchanged" if day == days(4)[0] else state, "", "") for day in listed]  # type: ignore[arg-type]
        outcomes.setdefault(one.table.name, []).append(Outcome(one.table.name, "r", tuple(told)))

    assert ran == [
        ("restated.raw", days(3, 4)),
        ("restated.week", days(3, 4, 5)),
        ("restated.total", days(3, 4, 5, 6, 7, 8, 9, 10)),
        ("restated.both", days(3)),
        ("restated.both", days(5)),
    ]


def test_the_time_is_that_of_earlier_runs(chain: Any) -> None:
    """Told for a day, from the evidence; of a table that nobody ran, nothing is known."""
    lakehouse, _ = chain

    known = seconds_a_day(lakehouse.lake, "restated.raw")

    assert known is not None
    assert 0 < known < 60
    assert seconds_a_day(lakehouse.lake, "restated.none") is None
