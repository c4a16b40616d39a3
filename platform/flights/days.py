"""Which days the tables have: those of 2013, or of the present, when what they collect from replays 2013 there.

`python -m flights.outside --live` sets both variables for its command. Without them nothing is moved.
"""

from __future__ import annotations

import os
from datetime import date, timedelta

SHIFT_WEEKS, FIRST_DAY = "FLIGHTS_SHIFT_WEEKS", "FLIGHTS_FIRST_DAY"

_SHIFT = timedelta(weeks=int(os.environ.get(SHIFT_WEEKS) or 0))
_FIRST = os.environ.get(FIRST_DAY)

LIVE = bool(_SHIFT)
"""Whether the days are those of the present, so that something arrives each day."""

START = max(date(2013, 1, 1) + _SHIFT, date.fromisoformat(_FIRST) if _FIRST else date.min)
"""The first day of every daily table."""

END = date(2014, 1, 1) + _SHIFT
"""The day after the last one."""

SINCE = START if LIVE else None
"""Since when SLAs hold, where the days are those of the present: from the first of them, and not from the next deadline
after a table was first stored, so that there is something to count at once."""
