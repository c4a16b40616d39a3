"""What kept days from readers: each incident on each day on which it was open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from lakeproof import Column, Table, Value, Window, audit, daily_table
from lakeproof.stewardship.incidents import KINDS
from lakeproof.stewardship.reporting import incidents_of
from operations.pipeline import frame, operations
from operations.recorded import tables_recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from lakeproof.stewardship.incidents import Incident

incidents = Table(
    "operations.incidents",
    description="One row per day and incident that was open on it, as it was when the day ended.",
    columns=[
        Column("day", "date", "Day of the clock, in UTC."),
        Column("incident", "string", "Its id."),
        Column("table_name", "string", "The table."),
        Column("kind", "string", "held, blocked, missed or failed."),
        Column("causes", "string", "The audits, checks or errors that found it, separated by commas."),
        Column("state", "string", "opened on the day, closed on it, both, or open before and after."),
        Column("opened", "timestamptz", "When it opened."),
        Column("closed", "timestamptz", "When it closed; null while it is open."),
        Column("days", "int", "Its days, of the table."),
        Column("days_waiting", "int", "Of these, not published when the day ended."),
        Column("hours_open", "double", "For how long it had been open when it closed, or the day ended.", digits=2),
    ],
    partition="day",
    layer="operations",
    pipeline=operations,
    key=["day", "incident"],
    allow_empty=True,  # the best of days
    audits=[
        audit.unique(),
        audit.not_null("table_name", "kind", "opened"),
        audit.accepted_values("kind", list(KINDS)),
        audit.accepted_values("state", ["opened", "closed", "both", "open"]),
        audit.sql("closes_after_it_opened", "closed is null or closed >= opened"),
        audit.sql("open_while_days_wait", "(closed is null) = (days_waiting > 0)"),
    ],
    value=Value("data platform", 0, "what kept days from readers, when it is looked back on"),
)


@daily_table(incidents)
def build_incidents(window: Window, context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Take each day as it was when it ended: what happened later is told on later days."""
    # lakeproof: ok (what tables remember of SLAs, as of the end of each day)
    lake = context.resources.lakehouse.lake
    known = {*lake.tables(), *tables_recorded(context.instance)}
    rows: list[tuple[object, ...]] = []
    for day in window.days:
        start, end = Window.of(day).start, Window.of(day).end
        found = incidents_of(context.instance, lake, known, end)
        rows += (row for incident in found for row in _rows(day, start, end, incident))
    return frame(incidents, rows)


def _rows(day: date, start: datetime, end: datetime, incident: Incident) -> Iterator[tuple[object, ...]]:
    """Yield the row of an incident that was open on a day."""
    opened, closed = incident.opened, incident.closed
    if closed is not None and closed < start:
        return
    began = opened >= start
    state = ("both" if closed else "opened") if began else ("closed" if closed else "open")
    hours = ((closed or end) - opened).total_seconds() / 3_600
    causes = ",".join(sorted(incident.causes))
    counts = (len(incident.days), len(incident.waiting))
    yield day, incident.id, incident.table, incident.kind, causes, state, opened, closed, *counts, hours
