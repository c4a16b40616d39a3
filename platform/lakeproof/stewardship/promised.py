"""How a table kept its SLA, from the table alone: for those who do not have its contract."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from lakeproof.lake.output import is_line
from lakeproof.lake.promise import Declared
from lakeproof.lake.published import first_publishes
from lakeproof.lake.schema import stored_days
from lakeproof.stewardship.attainment import Promise, judge
from lakeproof.window import Window

if TYPE_CHECKING:
    from datetime import datetime

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.stewardship.attainment import SlaDay

BEFORE = timedelta(days=3)
"""How long before an SLA was declared a day lies, at most, whose deadline lies after it."""


def promised_days(table: IcebergTable | None, now: datetime) -> tuple[SlaDay, ...]:
    """Return the days of a table that were due since its SLA was declared, and those just before, judged; in order.

    Args:
        table: The table; None has no day, and an output's line none that anyone was promised.
        now: The instant of the report.

    Raises:
        LakeError: The storage refused.
    """
    declared = Declared.of(table.properties) if table is not None else None
    if table is None or declared is None or declared.instant > now or is_line(table):
        return ()
    start, end, gaps = stored_days(table.properties)
    first = declared.sla.first_promised or declared.instant.date() - BEFORE
    until = now.astimezone(ZoneInfo(declared.sla.timezone)).date()
    first, until = max(first, start or first), min(until, end or until)
    if first >= until:
        return ()
    promise, days = Promise(declared.sla, declared.instant), Window(first, until).days
    found = first_publishes(table, [day for day in days if promise.covers(day)])
    published = {day: publish.first for day, publish in found.items()}
    judged = judge(promise, days, published, dict.fromkeys(gaps, ""), now)
    return tuple(day for day in judged if day.deadline <= now)
