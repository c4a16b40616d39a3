"""When a day of 2013 is delivered: long ago, or as the days of the present pass, which it is moved onto."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import argparse

NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)
CLOCKS_FORWARD = date(2013, 3, 10)
"""When the clocks of New York went forward."""

ONE_DAY = timedelta(days=1)


def weeks_onto(day: date) -> int:
    """Return the shift that brings 2013 onto the days around one, which is not the last of them.

    It brings the day on which the clocks go forward, New York's second Sunday in March, onto that of another year. They
    go back 34 weeks later in every year, so a day keeps its weekday and its hours, and instants move with the clocks.

    >>> weeks_onto(date(2026, 11, 24))
    678
    """
    shifts = (_weeks_to(year) for year in range(day.year - 1, day.year + 2))
    return next(weeks for weeks in shifts if day < LAST + timedelta(weeks=weeks))


def _weeks_to(year: int) -> int:
    first = date(year, 3, 1)
    second_sunday = first + timedelta(days=(6 - first.weekday()) % 7 + 7)
    return (second_sunday - CLOCKS_FORWARD).days // 7


@dataclass(frozen=True)
class Replay:
    """How 2013 passes.

    Args:
        weeks: By how many weeks its days are moved; 0 for 2013 itself, which is over.
        late: How long after it is over, at midnight in New York, a day is delivered.
        behind: How far its clock is behind the wall's when it begins. It never runs ahead: nobody takes a day that is
            not over by the clock on the wall.
        speed: How much faster its clock runs until it has caught up: 1,440 for a day a minute.
        began: When it began.

    Raises:
        ValueError: A shift would bring a day of 24 hours onto one of 23, or the other way round.
    """

    weeks: int = 0
    late: timedelta = timedelta()
    behind: timedelta = timedelta()
    speed: float = 1
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        """Refuse shifts that clocks do not follow."""
        good = _weeks_to((CLOCKS_FORWARD + timedelta(weeks=self.weeks)).year)
        if self.weeks != good:
            msg = f"{self.weeks} weeks bring 2013 onto days whose clocks change on others; {good} do not"
            raise ValueError(msg)

    @property
    def shift(self) -> timedelta:
        """By how much days and instants are moved."""
        return timedelta(weeks=self.weeks)

    @property
    def first(self) -> date:
        """The first day, moved."""
        return FIRST + self.shift

    @property
    def last(self) -> date:
        """The last day, moved."""
        return LAST + self.shift

    def now(self) -> datetime:
        """Return what its clock tells."""
        wall = datetime.now(UTC)
        return min(wall, self.began - self.behind + (wall - self.began) * self.speed)

    def today(self) -> date:
        """Return the day that it is in New York by its clock."""
        return self.now().astimezone(NEW_YORK).date()

    def delivers(self, day: date) -> bool:
        """Whether a day, moved, is delivered by now."""
        over = datetime.combine(day + ONE_DAY, time(), NEW_YORK).astimezone(UTC)
        return self.now() >= over + self.late

    # The same on a command line.

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """Let a command take a replay."""
        parser.add_argument("--shift-weeks", type=int, default=0, metavar="N", help="move 2013 by so many weeks")
        parser.add_argument("--late", type=float, default=0, metavar="MINUTES", help="deliver each day so much late")
        parser.add_argument(
            "--behind", type=float, default=0, metavar="DAYS", help="begin with a clock that is so many days behind"
        )
        parser.add_argument(
            "--speed", type=float, default=1, help="how much faster that clock runs until it has caught up"
        )

    @classmethod
    def of(cls, options: argparse.Namespace) -> Self:
        """Return the replay that a command line asks for."""
        late, behind = timedelta(minutes=options.late), timedelta(days=options.behind)
        began = {"began": options.began} if getattr(options, "began", None) else {}
        return cls(options.shift_weeks, late, behind, options.speed, **began)

    def arguments(self) -> list[str]:
        """Return what asks a command for the same replay, by the same clock."""
        return [
            *("--shift-weeks", str(self.weeks), "--late", str(self.late / timedelta(minutes=1))),
            *("--behind", str(self.behind / ONE_DAY), "--speed", str(self.speed)),
            *("--began", self.began.isoformat()),
        ]
