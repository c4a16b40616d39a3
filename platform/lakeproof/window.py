"""Logical time: which days a run is about, never when it happens to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from lakeproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE_DAY = timedelta(days=1)


def as_day(value: str | date) -> date:
    """Return the day that `value` names.

    Args:
        value: A date, or its ISO form `YYYY-MM-DD`.

    Raises:
        UsageError: The text is not a date.
    """
    if isinstance(value, datetime):
        msg = f"{value!r} is an instant, not a day."
        raise UsageError(msg, next_step="give a date: YYYY-MM-DD")
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        msg = f"{value!r} is not a day."
        raise UsageError(msg, next_step="give a date that exists, as YYYY-MM-DD") from None


@dataclass(frozen=True)
class Window:
    """The half-open interval of logical days `[first, until)` that a call is about.

    Args:
        first: The first day in the window.
        until: The day after the last one.
        timezone: The zone in which the days begin and end.
    """

    first: date
    until: date
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse an empty or reversed window."""
        if self.until <= self.first:
            msg = f"A window must end after it starts: [{self.first}, {self.until}) holds no day."
            raise UsageError(msg, next_step="swap the two days, or widen the range")

    @classmethod
    def of(cls, first: str | date, last: str | date | None = None, timezone: str = "UTC") -> Window:
        """Return the window of one day, or from `first` to `last`, both included."""
        begin = as_day(first)
        return cls(begin, (begin if last is None else as_day(last)) + ONE_DAY, timezone)

    @property
    def start(self) -> datetime:
        """The instant at which the window begins, with its zone."""
        return datetime.combine(self.first, time.min, ZoneInfo(self.timezone))

    @property
    def end(self) -> datetime:
        """The instant at which the window has ended, with its zone; itself outside the window."""
        return datetime.combine(self.until, time.min, ZoneInfo(self.timezone))

    @property
    def last(self) -> date:
        """The last day in the window."""
        return self.until - ONE_DAY

    @property
    def days(self) -> tuple[date, ...]:
        """Every day in the window, in order."""
        return tuple(self.first + timedelta(days=n) for n in range((self.until - self.first).days))

    @property
    def day(self) -> date:
        """The day of a window of one day.

        Raises:
            UsageError: The window holds several days; use `days`, `first` and `until`.
        """
        if self.last != self.first:
            msg = f"This window holds {len(self.days)} days ({self}), so it has no single day."
            raise UsageError(msg, next_step="use window.days, or group by the partition column")
        return self.first

    @property
    def ds(self) -> str:
        """The day of a window of one day, as `YYYY-MM-DD`."""
        return self.day.isoformat()

    def __str__(self) -> str:
        """Return `2013-01-05` or `2013-01-01..2013-01-31`."""
        return days_text(self.days)


def runs_of_days(days: Iterable[date]) -> list[tuple[date, date]]:
    """Return the unbroken stretches of `days`, each as its first and last day.

    >>> runs_of_days([date(2013, 1, 1), date(2013, 1, 2), date(2013, 1, 5)])
    [(datetime.date(2013, 1, 1), datetime.date(2013, 1, 2)), (datetime.date(2013, 1, 5), datetime.date(2013, 1, 5))]
    """
    stretches: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if stretches and stretches[-1][1] + ONE_DAY == day:
            stretches[-1] = (stretches[-1][0], day)
        else:
            stretches.append((day, day))
    return stretches


def days_text(days: tuple[date, ...] | list[date]) -> str:
    """Return days as a person writes them.

    >>> days_text([date(2013, 1, 1), date(2013, 1, 2), date(2013, 1, 5)])
    '2013-01-01..2013-01-02, 2013-01-05'
    """
    return ", ".join(f"{a}" if a == b else f"{a}..{b}" for a, b in runs_of_days(days))


def days_options(first: date, last: date) -> str:
    """Return the options of `lakeproof run` that name days.

    >>> days_options(date(2013, 1, 1), date(2013, 1, 2))
    '--from 2013-01-01 --to 2013-01-02'
    """
    return f"--day {first}" if first == last else f"--from {first} --to {last}"
