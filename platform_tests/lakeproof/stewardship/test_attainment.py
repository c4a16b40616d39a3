"""Attainment is arithmetic on instants: every one of them is scripted here, none is the clock's."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from lakeproof import Sla
from lakeproof.stewardship.attainment import Attainment, Promise, Report, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST = date(2024, 2, 15)
"""Sixty days from here hold the change of clocks of New York, on the tenth of March."""

NEW_YORK = "America/New_York"
SLA = Sla("06:00", target=0.9, timezone=NEW_YORK)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = 60


def day(number: int) -> date:
    """Return the numbered day; 0 is the first."""
    return FIRST + timedelta(days=number)


def at(number: int, clock: str, zone: str = NEW_YORK, *, later: int = 0) -> datetime:
    """Return the instant when a clock on the wall shows a time on the day after the numbered one."""
    wall = datetime.combine(day(number + 1 + later), time.fromisoformat(clock), ZoneInfo(zone))
    return wall.astimezone(UTC)


def report(
    published: Mapping[int, datetime | None],
    now: datetime,
    *,
    promise: Promise | None = None,
    gaps: Mapping[date, str] | None = None,
) -> Report:
    """Return the report of a table that began on the first day."""
    promise = promise or Promise(SLA, LONG_AGO)
    live = {day(number): first for number, first in published.items()}
    ended = (now.astimezone(ZoneInfo(promise.sla.timezone)).date() - FIRST).days
    days = [day(number) for number in range(max(ended, 0))]
    return Report("lab.readings", promise, now, judge(promise, days, live, gaps or {}, now))


def test_sixty_days_to_the_day() -> None:
    """Late, missing and in time are told apart across the change of clocks, at every minute that matters."""
    published = {number: at(number, "05:40") for number in range(DAYS)}
    published[10] = at(10, "06:01")  # a minute late
    published[23] = at(23, "06:00")  # on the dot, on the day the clocks change
    published[30] = at(30, "09:00", later=2)  # two days late
    del published[45]

    found = report(published, at(DAYS - 1, "12:00"))

    assert {(d.day, d.state) for d in found.days if d.missed} == {
        (day(10), "late"),
        (day(30), "late"),
        (day(45), "missing"),
    }
    late = {d.day: d.late_by for d in found.days if d.late_by is not None}
    assert late == {day(10): timedelta(minutes=1), day(30): timedelta(days=2, hours=3)}
    over = {days: found.over(days) for days in (7, 28, 90)}
    assert {days: (a.met, a.judged) for days, a in over.items()} == {7: (7, 7), 28: (27, 28), 90: (57, 60)}
    assert [over[days].budget for days in (7, 28, 90)] == [0, 1, 3]
    assert over[90].share == pytest.approx(0.95)
    assert found.kept


def test_a_scripted_clock_walks_through_a_day() -> None:
    """A day is pending until it is due, missing until it is there, and late for ever after."""
    script = [
        ("05:59", "pending", True),
        ("06:00", "missing", False),
        ("08:00", "missing", False),
        ("08:01", "late", False),
        ("23:00", "late", False),
    ]
    for clock, state, kept in script:
        found = report({0: at(0, "05:00"), 1: at(1, "08:01")}, at(1, clock))

        assert (clock, found.days[1].state, found.kept) == (clock, state, kept)


def test_backfilling_an_old_day_changes_nothing_about_the_latest() -> None:
    """The latest day that is due decides; a day that was missing becomes late, and not in time."""
    published = {number: at(number, "05:00") for number in range(9)}
    del published[3]
    before = report(published, at(9, "07:00"))

    after = report(published | {3: at(9, "06:30")}, at(9, "07:00"))

    assert (before.due and before.due.day, before.kept, after.kept) == (day(9), False, False)
    assert (before.days[3].state, after.days[3].state) == ("missing", "late")
    assert before.over(28) == after.over(28)


@pytest.mark.parametrize(
    ("published", "state"),
    [
        ({}, "exempt"),
        ({4: "07:00"}, "exempt"),
        ({5: "07:00"}, "late"),
        ({5: "05:00"}, "met"),
    ],
)
def test_only_days_that_were_due_before_the_declaration_are_exempt(published: dict[int, str], state: str) -> None:
    """Day 5 is due after the SLA was declared, whatever it was backfilled by; day 4 was due a minute before."""
    promise = Promise(SLA, at(4, "06:01"))
    found = report({n: at(n, clock) for n, clock in published.items()}, at(5, "12:00"), promise=promise)

    assert found.days[next(iter(published), 4)].state == state
    assert [d.state for d in found.days[:4]] == ["exempt"] * 4


def test_the_contract_says_itself_since_when() -> None:
    """`since` goes before the instant at which the SLA was stored."""
    promise = Promise(Sla("06:00", timezone=NEW_YORK, since=day(2)), at(5, "06:01"))

    found = report({}, at(4, "12:00"), promise=promise)

    assert [d.state for d in found.days] == ["exempt", "exempt", "missing", "missing", "missing"]


def test_nothing_is_promised_before_it_is_declared() -> None:
    """Without an instant and a `since`, no day counts, and nothing has failed."""
    found = report({0: at(0, "09:00")}, at(3, "12:00"), promise=Promise(SLA))

    assert ({d.state for d in found.days}, found.kept, found.over(28).share) == ({"exempt"}, True, None)


def test_gaps_and_unknown_days_do_not_count() -> None:
    """A declared gap is nobody's fault; of a day that another engine published, nobody can say that it was in time."""
    published: dict[int, datetime | None] = {0: at(0, "05:00"), 2: None}

    found = report(published, at(2, "12:00"), gaps={day(1): "a holiday"})

    assert [d.state for d in found.days] == ["met", "gap", "unknown"]
    assert (found.over(7).judged, found.kept) == (1, False)


def test_what_was_published_later_does_not_count_as_of_then() -> None:
    """A report as of an instant says what it said then."""
    published = {0: at(0, "08:00")}

    assert report(published, at(0, "07:00")).days[0].state == "missing"
    assert report(published, at(0, "09:00")).days[0].state == "late"


@pytest.mark.parametrize(
    ("zone", "night", "due", "expected", "why"),
    [
        (NEW_YORK, "2024-03-10", "06:00", "10:00", "summer time has begun: four hours behind"),
        (NEW_YORK, "2024-03-09", "06:00", "11:00", "the day before, five"),
        (NEW_YORK, "2024-03-10", "02:30", "07:30", "skipped: two and a half hours after midnight all the same"),
        (NEW_YORK, "2024-11-03", "01:30", "05:30", "it occurs twice: the first"),
        (NEW_YORK, "2024-11-03", "06:00", "11:00", "winter time has begun"),
        ("Europe/Berlin", "2024-03-31", "06:00", "04:00", "summer time has begun: two hours ahead"),
        ("Europe/Berlin", "2024-03-31", "02:30", "01:30", "skipped: two and a half hours after midnight all the same"),
        ("Europe/Berlin", "2024-10-27", "02:30", "00:30", "it occurs twice: the first"),
        ("Europe/Berlin", "2024-10-27", "06:00", "05:00", "winter time has begun"),
    ],
)
def test_a_deadline_is_a_time_on_the_wall(zone: str, night: str, due: str, expected: str, why: str) -> None:
    """Where the clocks change, the deadline is the one that a person would read from the wall."""
    morning = date.fromisoformat(night)

    deadline = Sla(due, timezone=zone).deadline(morning - timedelta(days=1))

    assert deadline == datetime.combine(morning, time.fromisoformat(expected), UTC), why


@pytest.mark.parametrize(
    ("target", "judged", "met", "budget"),
    [
        (0.9, 10, 10, 1),  # in floating point, a tenth of ten is less than one
        (0.95, 20, 20, 1),
        (0.95, 90, 90, 4),
        (0.95, 90, 86, 0),
        (0.95, 90, 80, -6),
        (1, 90, 90, 0),
        (0.95, 0, 0, 0),
    ],
)
def test_the_error_budget_is_exact(target: float, judged: int, met: int, budget: int) -> None:
    """How many more days may miss is a whole number, and below zero once the target is broken."""
    attained = Attainment(judged, met, target)

    assert attained.budget == budget
    if judged:
        assert (Fraction(met, judged) >= Fraction(str(target))) == (budget >= 0)


def test_times_are_estimated_on_the_wall() -> None:
    """A job that ends at the same time every night does so across the change of clocks; rare lateness is the p95."""
    published = {number: at(number, "05:40") for number in range(40)}
    published |= {number: at(number, "06:10") for number in (8, 18, 24, 25)}

    found = report(published, at(40, "01:00"))

    assert (found.quantile(Fraction(1, 2)), found.quantile(Fraction(95, 100))) == (
        timedelta(hours=5, minutes=40),
        timedelta(hours=6, minutes=10),
    )
    assert found.pending is not None
    assert found.pending.day == day(40)
    assert found.expected(Fraction(1, 2)) == at(40, "05:40")
    assert found.expected(Fraction(95, 100)) == at(40, "06:10")


@pytest.mark.parametrize(
    ("late", "clock", "suggestion"),
    [
        (0, "05:41", time(5, 45)),  # rounded up to five minutes
        (0, "05:40", time(5, 40)),  # which it is already
        (2, "05:41", time(5, 45)),  # 2 of 40 days may miss it
        (3, "05:41", time(9, 5)),
        (-2, "05:41", time(5, 45)),  # missing days count as well
        (-3, "05:41", None),  # no due time would have been met by 19 of 20
    ],
)
def test_the_suggested_due_time_can_be_kept(late: int, clock: str, suggestion: time | None) -> None:
    """It is the earliest, in steps of five minutes, that 95 % of the days would have met; there may be none."""
    published = {number: at(number, clock) for number in range(40)}
    for number in range(abs(late)):
        del published[number]
        if late > 0:
            published[number] = at(number, "09:01")

    assert report(published, at(39, "12:00")).suggestion == suggestion


def test_a_day_that_always_comes_the_next_day_has_no_due_time() -> None:
    """A due time is of the day after the logical one."""
    published = {number: at(number, "01:00", later=1) for number in range(9)}

    assert report(published, at(11, "12:00")).suggestion is None


def test_only_the_last_ninety_judged_days_are_history() -> None:
    """What was long ago says nothing of tomorrow."""
    published = {number: at(number, "05:00" if number >= 20 else "11:00") for number in range(110)}

    assert report(published, at(109, "12:00")).suggestion == time(5)
