"""A day of a table: of a daily one, or the whole of one that has no days."""

from __future__ import annotations

from datetime import date

Day = date | None
"""A day of a daily table, or None for the whole of an unpartitioned one."""


def day_key(day: Day) -> str:
    """Return how records name a day; an unpartitioned table is one day called `all`."""
    return "all" if day is None else day.isoformat()


def key_day(key: str) -> Day:
    """Return the day that records name."""
    return None if key == "all" else date.fromisoformat(key)
