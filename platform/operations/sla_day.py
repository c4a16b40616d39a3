"""Which days of tables were there when they were due: a ledger, a day of the clock at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from lakeproof import Column, Table, Value, Window, audit, daily_table
from lakeproof.stewardship.promised import promised_days
from lakeproof.stewardship.text import LEGEND, bars
from operations.pipeline import frame, operations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from lakeproof.lake.catalog import Lake
    from lakeproof.stewardship.attainment import SlaDay

PLOTTED_DAYS = 28

sla_day = Table(
    "operations.sla_day",
    description=(
        "One row per day, table and day of the table that was due on the day, or came late on it. What comes late on a "
        "later day is missing on the day it was due, and late on the day it came."
    ),
    columns=[
        Column("day", "date", "Day of the clock, in UTC."),
        Column("table_name", "string", "The table."),
        Column("table_day", "date", "The day of the table."),
        Column("deadline", "timestamptz", "When it was due."),
        Column("first_published", "timestamptz", "When it was first published; null when it was not by the day's end."),
        Column("met", "boolean", "Whether it was in time; null where it does not count, or nobody knows."),
        Column("late_minutes", "int", "Minutes from the deadline to the first publish, of a late one."),
        Column("exempt", "boolean", "Whether it was due before the SLA was declared."),
    ],
    partition="day",
    layer="operations",
    pipeline=operations,
    key=["day", "table_name", "table_day"],
    allow_empty=True,  # nothing may have been due
    audits=[
        audit.unique(),
        audit.not_null("table_name", "table_day", "deadline", "exempt"),
        audit.between("late_minutes", 0, None),
        audit.sql("met_is_by_the_deadline", "met is null or met = (coalesce(first_published <= deadline, false))"),
        audit.sql("exempt_does_not_count", "not exempt or met is null"),
    ],
    value=Value("data platform", 0, "whether promises were kept, when they are made anew"),
)


@daily_table(sla_day)
def build_sla_day(window: Window, context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Judge what was due or came late on each day, as it was when the day ended: every deadline of it is over."""
    # lakeproof: ok (what tables remember of SLAs, as of the end of each day)
    lake: Lake = context.resources.lakehouse.lake
    tables = {name: lake.find(name) for name in lake.tables()}
    rows: list[tuple[object, ...]] = []
    for day in window.days:
        start, end = Window.of(day).start, Window.of(day).end
        judged = {name: promised_days(table, end) for name, table in tables.items()}
        rows += (row for name, days in judged.items() for each in days for row in _rows(day, start, end, name, each))
        told = dg.MetadataValue.md(attainment({name: days for name, days in judged.items() if days}))
        context.add_asset_metadata({"attainment": told}, partition_key=day.isoformat())
    return frame(sla_day, rows)


def _rows(day: date, start: datetime, end: datetime, table: str, of: SlaDay) -> Iterator[tuple[object, ...]]:
    """Yield the row of a table's day that was due on a day, or came late on it."""
    published = of.published if of.published is not None and of.published < end else None
    due, came = start <= of.deadline < end, of.missed and published is not None and published >= start
    if (due or came) and of.state != "gap":
        met = of.state == "met" if of.judged else None
        late = None if of.late_by is None else int(of.late_by.total_seconds() // 60)
        yield day, table, of.day, of.deadline, published, met, late, of.state == "exempt"


def attainment(judged: Mapping[str, Sequence[SlaDay]]) -> str:
    """Return how tables kept their SLAs lately as Markdown, with a bar a day, the oldest first.

    Args:
        judged: The days of each table, judged, in order.
    """
    lines = ["| table | met | of | last days |", "|---|---|---|---|"]
    for table, days in judged.items():
        last = days[-PLOTTED_DAYS:]
        met = sum(day.state == "met" for day in last)
        lines.append(f"| {table} | {met} | {sum(day.judged for day in last)} | `{bars(last)}` |")
    return "\n".join([*lines, "", LEGEND])
