"""Audits of what logging gets wrong, each on a real stage."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from lakeproof import Column, audit
from lakeproof.audit.guards import guarded
from lakeproof.errors import ContractError

EVENTS = [Column("day", "date"), Column("seen", "timestamptz"), Column("got", "timestamptz"), Column("number", "long")]
GOOD = audit.row_count(at_least=1)


def events(lab: Any, condition: Any, **changes: Any) -> Any:
    """Declare a table of logged events with one audit besides a plain one."""
    fields = {"columns": EVENTS, "partition": "day", "key": [], "start": "2024-01-01", "audits": [GOOD, condition]}
    return lab.table("lab.events", **(fields | changes))


def logged(day: date, seen: list[datetime], *, late: timedelta = timedelta(0), first: int = 1) -> pl.DataFrame:
    """Return an event for each instant, numbered, each received so much later."""
    frame = pl.DataFrame({"seen": seen}, schema={"seen": pl.Datetime("us", "UTC")})
    return frame.select(
        pl.lit(day).alias("day"),
        "seen",
        (pl.col("seen") + late).alias("got"),
        (pl.int_range(pl.len()).cast(pl.Int64) + first).alias("number"),
    )


def hours(day: date, *absent: int, count: int = 24, offset: int = 0) -> list[datetime]:
    """Return an instant in each hour of a day, but for some, counted from its beginning in UTC and an offset."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=offset)
    return [begin + timedelta(hours=n, minutes=17) for n in range(count) if n not in absent]


def test_doubled_rows_are_a_share(lab: Any) -> None:
    """As many doubled rows as the bound allows pass, and one more holds the day; it says the share."""
    table = lab.table(key=[], audits=[GOOD, audit.duplicates(at_most=0.2)])
    by_value = lab.table("lab.by_value", key=[], audits=[GOOD, audit.duplicates("value")])

    assert lab.states(table, lab.rows(1, 2, 3, 4, 4)) == ["published"]
    held = lab.results(table, lab.rows(1, 2, 3, 3, 3, day=2), 2)["duplicates"]
    assert (held.passed, round(held.measured, 9)) == (False, 0.4)
    assert lab.states(by_value, pl.concat([lab.rows(1), lab.rows(1, sensor="b")])) == ["held"]


def test_hours_without_rows_are_named(lab: Any) -> None:
    """The hours that have no event are named in the table's own time, and the share decides."""
    strict = events(lab, audit.missing_hours("seen"))
    lenient = events(lab, audit.missing_hours("seen", at_most=0.1))
    day = date(2024, 1, 1)

    assert lab.states(strict, logged(day, hours(day))) == ["published"]
    held = lab.results(strict, logged(day, hours(day, 3, 4)))["missing_hours_seen"]
    assert not held.passed
    assert [row["hour without rows"] for row in held.sample] == ["03:00", "04:00"]
    assert lab.states(lenient, logged(day, hours(day, 3, 4))) == ["published"]


@pytest.mark.parametrize(("day", "count"), [(date(2024, 3, 10), 23), (date(2024, 11, 3), 25)])
def test_a_day_has_the_hours_that_its_clocks_give_it(lab: Any, day: date, count: int) -> None:
    """When clocks go forward a day has 23 hours, and none is missing; when they go back it has 25, and needs them."""
    table = events(lab, audit.missing_hours("seen"), timezone="America/New_York")
    offset = 5 if count == 23 else 4
    number = (day - date(2024, 1, 1)).days + 1

    assert lab.states(table, logged(day, hours(day, count=count, offset=offset)), number) == ["published"]
    short = lab.results(table, logged(day, hours(day, count - 1, count=count, offset=offset)), number)
    assert [row["hour without rows"] for row in short["missing_hours_seen"].sample] == ["23:00"]


def test_hours_of_a_zone_off_the_hour(lab: Any) -> None:
    """Kathmandu is 5:45 ahead, and its hours are its own."""
    table = events(lab, audit.missing_hours("seen", first=8, last=9), timezone="Asia/Kathmandu")
    day = date(2024, 1, 1)
    eight, nine = datetime(2024, 1, 1, 2, 20, tzinfo=UTC), datetime(2024, 1, 1, 4, 10, tzinfo=UTC)

    assert lab.states(table, logged(day, [eight, nine])) == ["published"]
    (missing,) = lab.results(table, logged(day, [eight]))["missing_hours_seen"].sample
    assert missing == {"hour without rows": "09:00"}


def test_numbers_that_are_left_out(lab: Any) -> None:
    """A sequence with a hole is held by the share of numbers that are not there; a doubled number is no hole."""
    table = events(lab, audit.missing_numbers("number"))
    day = date(2024, 1, 1)
    whole = logged(day, hours(day))

    assert lab.states(table, pl.concat([whole, whole.tail(1)])) == ["published"]
    held = lab.results(table, whole.filter(pl.col("number") != 12))["missing_numbers_number"]
    assert (held.passed, round(held.measured * 24, 9)) == (False, 1)


def test_events_that_come_late(lab: Any) -> None:
    """The share of events that took longer than the limit to arrive decides; one at the limit is in time."""
    table = events(lab, audit.late("seen", "got", after=timedelta(hours=1), at_most=0.25))
    day = date(2024, 1, 1)
    punctual = logged(day, hours(day, count=3), late=timedelta(hours=1))

    assert lab.states(table, punctual) == ["published"]
    late = logged(day, hours(day, count=2), late=timedelta(hours=1, microseconds=1))
    assert lab.results(table, pl.concat([punctual, late]))["late_seen"].measured == pytest.approx(0.4)
    assert lab.states(table, pl.concat([punctual, late.head(1)])) == ["published"]


def test_a_column_that_falls_silent_holds_the_day(lab: Any) -> None:
    """A column that was never null and is null in most rows is named; one that often was is left alone."""
    table = lab.table(audits=[GOOD, audit.new_nulls(days=4, min_history=2)])
    for number in (1, 2):
        assert lab.states(table, lab.rows(1, 2, 3, day=number), number) == ["published"]

    held = lab.results(table, lab.rows(1, None, None, day=3), 3)["new_nulls"]
    assert not held.passed
    assert held.sample == ({"column": "value", "null now": "66.7%", "null before": "0.0%"},)
    assert "value is null in 66.7% of rows, before in 0.0%" in held.finding
    assert lab.states(table, lab.rows(1, 2, None, day=3), 3) == ["published"]


def test_nulls_that_are_usual_are_let_be(lab: Any) -> None:
    """Where a third of the values were null before, nulls are no news; and two days are no history for three."""
    usual = lab.table(audits=[GOOD, audit.new_nulls(days=4, min_history=2)])
    young = lab.table("lab.young", audits=[GOOD, audit.new_nulls(days=4, min_history=3)])
    for number in (1, 2):
        lab.run(usual, lab.rows(1, 2, None, day=number), number)
        lab.run(young, lab.rows(1, 2, day=number), number)

    assert lab.states(usual, lab.rows(None, None, day=3), 3) == ["published"]
    result = lab.results(young, lab.rows(None, None, day=3), 3)["new_nulls"]
    assert (result.passed, "2 of the 3" in result.describe) == (True, True)


def test_an_unpartitioned_table_is_compared_with_what_is_published(lab: Any) -> None:
    """Volume and nulls of a table without days look at what readers have."""
    table = lab.table(partition=None, key=["sensor", "value"], audits=[GOOD, audit.volume(factor=2), audit.new_nulls()])

    assert lab.states(table, lab.rows(1, 2, 3, 4)) == ["published"]
    result = lab.results(table, lab.rows(1))["volume"]
    assert not result.passed
    assert result.describe == "rows within 2 times what is published, 4"
    assert not lab.results(table, lab.rows(None, None, None, 1))["new_nulls"].passed
    assert lab.states(table, lab.rows(1, 2)) == ["published"]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: audit.duplicates(at_most=1), "at_most=1"),
        (lambda: audit.missing_hours("seen", first=5, last=3), "hours 5 to 3"),
        (lambda: audit.missing_hours("seen", last=24), "hours 0 to 24"),
        (lambda: audit.new_nulls(usual=0.5, above=0.5), "usual=0.5"),
        (lambda: audit.volume(within=0.5, factor=2), "one of within= and factor="),
        (lambda: audit.volume(factor=1), "factor=1"),
    ],
)
def test_an_audit_that_could_not_fail_is_refused(build: Any, said: str) -> None:
    """A share of all, hours that no day has, a usual that is sudden: refused as it is declared."""
    with pytest.raises(ContractError) as refusal:
        build()
    assert said in str(refusal.value)


def test_hours_are_asked_of_a_time_and_of_a_daily_table(lab: Any) -> None:
    """A number has no hours, and a table without days has none either."""
    with pytest.raises(ContractError, match="number for hours, and it is long"):
        events(lab, audit.missing_hours("number"))
    with pytest.raises(ContractError, match="has no days"):
        events(lab, audit.missing_hours("seen"), partition=None, start=None)


def test_the_guard_of_nulls_lets_a_blizzard_pass(lab: Any) -> None:
    """More than half of the values gone is a bad day outside; nearly all of them is a bad source."""
    table = guarded(lab.table(key=[], audits=[GOOD]))
    for number in range(1, 8):
        assert lab.states(table, lab.rows(*range(20), day=number), number) == ["published"]

    assert lab.states(table, lab.rows(*range(8), *[None] * 12, day=8), 8) == ["published"]
    assert lab.states(table, lab.rows(1, *[None] * 19, day=9), 9) == ["held"]


def test_an_event_without_a_time_is_in_no_hour(lab: Any) -> None:
    """A null is what such an audit exists for: it is not a time, and breaks nothing."""
    table = events(lab, audit.missing_hours("seen", at_most=0.1))
    day = date(2024, 1, 1)
    rows = logged(day, hours(day))
    lost = rows.with_columns(seen=pl.when(pl.col("number") > 23).then(None).otherwise(pl.col("seen")))

    assert lab.states(table, lost) == ["published"]


def test_days_without_rows_say_nothing_of_the_others(lab: Any) -> None:
    """Where an empty day is a good one, a Monday is compared with the days that had rows, and a Sunday with none."""
    table = lab.table(allow_empty=True, audits=[audit.between("value", 0, 999), audit.volume(factor=2, min_history=2)])
    for number in range(1, 10):
        rows = lab.rows(*range(100), day=number) if number % 3 == 1 else lab.rows(day=number)
        assert lab.states(table, rows, number) == ["published"]

    assert lab.states(table, lab.rows(*range(500), day=10), 10) == ["held"]
    assert lab.states(table, lab.rows(*range(150), day=10), 10) == ["published"]


def test_a_new_column_is_no_news_of_nulls(lab: Any) -> None:
    """A column that the days before did not have is not said to have been there."""
    plain = lab.table(audits=[GOOD])
    lab.run(plain, lab.days(3, 1, 2), 1, 2, 3)
    added = plain._but(
        columns=[*plain.columns, Column("note", "string")], audits=[GOOD, audit.new_nulls(days=4, min_history=2)]
    )

    rows = lab.rows(1, 2, day=4).with_columns(note=pl.lit(None, pl.String))
    assert lab.states(added, rows, 4) == ["published"]
