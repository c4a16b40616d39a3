"""Was each day there when it was promised? Judged from instants alone: the first publish of a day decides, for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cached_property
from math import ceil, floor
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from lakeproof.window import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.parts import Sla

WINDOWS = (7, 28, 90)
"""Over how many days attainment is told."""

HISTORY = 90
"""From how many judged days times are estimated and suggested."""

SUGGESTED_SHARE = Fraction(95, 100)
SUGGESTED_STEP = timedelta(minutes=5)

State = Literal["met", "late", "missing", "pending", "exempt", "gap", "unknown"]


@dataclass(frozen=True)
class Promise:
    """An SLA, and since when it holds.

    Args:
        sla: What is promised.
        declared: When it was first stored; None when it is not stored yet, so that it holds for no day. The contract's
            own `since` goes before it.
    """

    sla: Sla
    declared: datetime | None = None

    def covers(self, day: date) -> bool:
        """Whether a day was promised: only those are not whose deadline lies before the SLA was declared.

        A deadline that lay ahead is judged whenever the day is published, so a backfill makes no late day good.
        """
        if (first := self.sla.first_promised) is not None:
            return day >= first
        return self.declared is not None and self.sla.deadline(day) > self.declared


@dataclass(frozen=True)
class SlaDay:
    """A day, judged.

    Args:
        day: The day.
        deadline: When it was due.
        state: `met`, `late`, `missing` (due, and not published), `pending` (not due, and not published), `exempt` (due
            before the SLA was declared), `gap` (declared never to come) or `unknown` (nobody knows when it was
            published).
        published: When it was first published.
    """

    day: date
    deadline: datetime
    state: State
    published: datetime | None = None

    @property
    def judged(self) -> bool:
        """Whether it counts."""
        return self.state == "met" or self.missed

    @property
    def missed(self) -> bool:
        """Whether it was not there when it was due."""
        return self.state in {"late", "missing"}

    @property
    def late_by(self) -> timedelta | None:
        """How long after its deadline it was published; None when it was in time, or is not published yet."""
        return self.published - self.deadline if self.state == "late" and self.published is not None else None


@dataclass(frozen=True)
class Attainment:
    """The days of one window that were in time.

    Args:
        judged: How many days count.
        met: How many of them were in time.
        target: The share that was promised.
    """

    judged: int
    met: int
    target: float

    @property
    def share(self) -> float | None:
        """The share that was in time; None when no day counts."""
        return self.met / self.judged if self.judged else None

    @property
    def budget(self) -> int:
        """How many more of these days may miss before the target is broken; below zero, it is broken by so many."""
        allowed = floor((1 - Fraction(str(self.target))) * self.judged)
        return allowed - (self.judged - self.met)


@dataclass(frozen=True)
class Report:
    """How a table keeps its SLA.

    Args:
        table: The table's name.
        promise: The SLA that is in force.
        now: The instant of the report.
        days: Its days, judged, in order.
    """

    table: str
    promise: Promise
    now: datetime
    days: tuple[SlaDay, ...]

    @property
    def due(self) -> SlaDay | None:
        """The latest day that is due and was promised; None before the first."""
        return next((day for day in reversed(self.days) if self._is_due(day)), None)

    @property
    def pending(self) -> SlaDay | None:
        """The first day that is yet to come, and not due."""
        return next((day for day in self.days if day.state == "pending"), None)

    @property
    def kept(self) -> bool:
        """Whether the latest day that is due was there in time; no older day changes it."""
        return self.due is None or self.due.state == "met"

    def last(self, days: int) -> tuple[SlaDay, ...]:
        """Return the last days up to the latest that is due or in time already, whether they count or not."""
        last = next((day.day for day in reversed(self.days) if day.judged or day.deadline <= self.now), None)
        if last is None:
            return ()
        return tuple(day for day in self.days if last - days * ONE_DAY < day.day <= last)

    def over(self, days: int) -> Attainment:
        """Return the attainment over the last days."""
        judged = [day for day in self.last(days) if day.judged]
        return Attainment(len(judged), sum(day.state == "met" for day in judged), self.promise.sla.target)

    def quantile(self, share: Fraction) -> timedelta | None:
        """Return after how long, by the clock on the wall, that share of the last judged days was there.

        It is counted from the end of the logical day, midnight in the SLA's zone. None when no day counts, or so many
        are missing that no time would have done.
        """
        judged, waits = self._waits
        rank = ceil(share * judged)
        return waits[rank - 1] if 0 < rank <= len(waits) else None

    @cached_property
    def _waits(self) -> tuple[int, Sequence[timedelta]]:
        """How many days times are estimated from, and after how long those of them that came were there, in order."""
        judged = [day for day in self.days if day.judged][-HISTORY:]
        return len(judged), sorted(self._wait(day.day, day.published) for day in judged if day.published is not None)

    def expected(self, share: Fraction) -> datetime | None:
        """Return when the next pending day will be there, with that confidence, if it is as those before."""
        wait = self.quantile(share)
        if wait is None or self.pending is None:
            return None
        midnight = datetime.combine(self.pending.day + ONE_DAY, time.min)
        return (midnight + wait).replace(tzinfo=ZoneInfo(self.promise.sla.timezone)).astimezone(UTC)

    @property
    def suggestion(self) -> time | None:
        """The due time, in steps of five minutes, that 19 of 20 of the last judged days would have met.

        None when no time of day would have, or nothing is known.
        """
        wait = self.quantile(SUGGESTED_SHARE)
        if wait is None:
            return None
        rounded = max(timedelta(), -(-wait // SUGGESTED_STEP) * SUGGESTED_STEP)
        return (datetime.min.replace(tzinfo=UTC) + rounded).time() if rounded < ONE_DAY else None

    def _is_due(self, day: SlaDay) -> bool:
        return day.deadline <= self.now and day.state not in {"gap", "exempt"}

    def _wait(self, day: date, published: datetime) -> timedelta:
        wall = published.astimezone(ZoneInfo(self.promise.sla.timezone)).replace(tzinfo=None)
        return wall - datetime.combine(day + ONE_DAY, time.min)


def judge(
    promise: Promise,
    days: Sequence[date],
    published: Mapping[date | None, datetime | None],
    gaps: Mapping[date, str],
    now: datetime,
) -> tuple[SlaDay, ...]:
    """Judge days.

    Args:
        promise: The SLA, and since when it holds.
        days: The days, in order.
        published: When those that are published were so first; None when nobody knows, as when another engine did it.
        gaps: Those that are declared never to come, with why.
        now: The instant of the report: what was published later counts as not published.
    """
    return tuple(_judged(promise, day, published, now, gap=day in gaps) for day in days)


def _judged(
    promise: Promise, day: date, published: Mapping[date | None, datetime | None], now: datetime, *, gap: bool
) -> SlaDay:
    deadline = promise.sla.deadline(day)
    if gap:
        return SlaDay(day, deadline, "gap")
    at = published.get(day)
    if not promise.covers(day):
        return SlaDay(day, deadline, "exempt", at)
    if at is None and day in published:
        return SlaDay(day, deadline, "unknown")
    if at is None or at > now:
        return SlaDay(day, deadline, "pending" if deadline > now else "missing")
    return SlaDay(day, deadline, "met" if at <= deadline else "late", at)
