"""Logical time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from lakeproof import Table, Window
from lakeproof.errors import UnknownDayError, UsageError
from lakeproof.window import as_day, days_text, runs_of_days


def test_a_window_is_half_open() -> None:
    """A window of one day begins at its midnight and has ended at the next."""
    window = Window.of("2024-01-05")

    assert window.days == (date(2024, 1, 5),)
    assert (window.start, window.end) == (datetime(2024, 1, 5, tzinfo=UTC), datetime(2024, 1, 6, tzinfo=UTC))
    assert (window.ds, str(window)) == ("2024-01-05", "2024-01-05")


def test_a_window_holds_both_ends_of_a_range() -> None:
    """A range is from its first to its last day, both included."""
    window = Window.of("2024-02-28", "2024-03-01")

    assert [day.day for day in window.days] == [28, 29, 1]
    assert str(window) == "2024-02-28..2024-03-01"


@pytest.mark.parametrize(("day", "hours"), [("2024-03-10", 23), ("2024-11-03", 25), ("2024-11-04", 24)])
def test_a_day_is_as_long_as_its_zone_says(day: str, hours: int) -> None:
    """Where the clocks change, a day has 23 or 25 hours."""
    window = Window.of(day, timezone="America/New_York")

    assert window.end.astimezone(UTC) - window.start.astimezone(UTC) == timedelta(hours=hours)


def test_a_window_of_several_days_has_no_single_day() -> None:
    """`day` and `ds` refuse to pick one of several, and say what to use."""
    window = Window.of("2024-01-01", "2024-01-03")

    with pytest.raises(UsageError, match="holds 3 days") as refusal:
        window.ds  # noqa: B018 - the look-up is the test
    assert "window.days" in str(refusal.value)


def test_a_window_cannot_be_reversed() -> None:
    """A window that ends before it starts is refused."""
    with pytest.raises(UsageError, match="holds no day"):
        Window.of("2024-01-02", "2024-01-01")


@pytest.mark.parametrize("text", ["2024-02-30", "yesterday", "", "2024-13-01"])
def test_a_day_that_does_not_exist_is_refused(text: str) -> None:
    """The refusal repeats what was given, and says the form to give."""
    with pytest.raises(UsageError, match="is not a day") as refusal:
        as_day(text)
    assert repr(text) in str(refusal.value)
    assert "YYYY-MM-DD" in str(refusal.value)


def test_an_instant_is_no_day() -> None:
    """An instant is refused where a day is meant, instead of being cut."""
    with pytest.raises(UsageError, match="is an instant"):
        as_day(datetime(2024, 1, 1, tzinfo=UTC))


def test_days_are_told_in_stretches() -> None:
    """Days that follow each other are one stretch, in whatever order they come."""
    days = [date(2024, 1, 5), date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 2)]

    assert runs_of_days(days) == [(date(2024, 1, 1), date(2024, 1, 2)), (date(2024, 1, 5), date(2024, 1, 5))]
    assert days_text(days) == "2024-01-01..2024-01-02, 2024-01-05"


def test_a_table_refuses_days_it_does_not_have(lab: object) -> None:
    """A day before the start or at the end is refused with both edges."""
    table: Table = lab.table(start="2024-01-01", end="2024-02-01")  # type: ignore[attr-defined]  # the lab

    assert table.window("2024-01-31").last == date(2024, 1, 31)
    for day, edge in (("2023-12-31", "starts on 2024-01-01"), ("2024-02-01", "ended before 2024-02-01")):
        with pytest.raises(UnknownDayError, match=f"lab.readings has no {day}: it {edge}") as refusal:
            table.window(day)
        assert "2024-01-01 to 2024-01-31" in str(refusal.value)


def test_a_trailing_window_is_clipped_at_the_start(lab: object) -> None:
    """`last`, `previous` and `latest` read exactly the days they say, none before the table's first."""
    table: Table = lab.table(start="2024-01-01", end="2024-02-01")  # type: ignore[attr-defined]  # the lab

    assert str(table.last(days=7).window(Window.of("2024-01-10"))) == "2024-01-04..2024-01-10"
    assert str(table.last(days=7).window(Window.of("2024-01-03"))) == "2024-01-01..2024-01-03"
    assert str(table.previous().window(Window.of("2024-01-10"))) == "2024-01-09"
    assert table.previous().window(Window.of("2024-01-01")) is None
    assert table.latest().window(Window.of("2024-01-10")) is None
    assert table.last(days=3).window(Window.of("2024-02-10")) is None
