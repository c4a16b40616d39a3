"""How often each table was run, with what outcome, and for how long."""

from __future__ import annotations

from collections import Counter

import dagster as dg
import polars as pl

from lakeproof import Column, Table, Value, Window, audit, daily_table
from operations.pipeline import frame, operations
from operations.recorded import table_runs

STATES = ("published", "unchanged", "held", "blocked", "not-ready", "moved", "error")

runs_day = Table(
    "operations.runs_day",
    description="One row per day, table and outcome: the runs that ended on the day, and what became of their days.",
    columns=[
        Column("day", "date", "Day of the clock, in UTC, on which the runs ended."),
        Column("table_name", "string", "The table."),
        Column(
            "outcome",
            "string",
            "What counts most of what became of a run's days: error, held, blocked, not-ready, moved, published or "
            "unchanged; gap where nothing was to be done; killed or stopped where no more is known.",
        ),
        Column("runs", "int", "Runs of the table that ended so."),
        Column("seconds", "double", "How long they took, added up.", digits=1),
        Column("days_published", "int", "Days that readers see since."),
        Column("days_unchanged", "int", "Days that readers had already."),
        Column("days_held", "int", "Days that an audit refused."),
        Column("days_blocked", "int", "Days that a pre-check of their source refused."),
        Column("days_not_ready", "int", "Days whose inputs were not there."),
        Column("days_moved", "int", "Days that another run published meanwhile."),
        Column("days_error", "int", "Days of runs that failed with an error."),
    ],
    partition="day",
    layer="operations",
    pipeline=operations,
    key=["day", "table_name", "outcome"],
    allow_empty=True,  # nothing may have run
    audits=[
        audit.unique(),
        audit.not_null("table_name", "outcome"),
        audit.accepted_values("outcome", [*STATES, "gap", "killed", "stopped"]),
        audit.between("runs", 1, None),
        audit.between("seconds", 0, None),
    ],
    value=Value("data platform", 0, "how often tables are run and for how long, when something is slow"),
)


@daily_table(runs_day)
def build_runs_day(window: Window, context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Count the runs that ended on each day."""
    runs: Counter[tuple[object, ...]] = Counter()
    seconds: dict[tuple[object, ...], float] = {}
    days: Counter[tuple[object, ...]] = Counter()
    for run in table_runs(context.instance, window):
        key = (run.day, run.table, run.outcome)
        runs[key] += 1
        seconds[key] = seconds.get(key, 0.0) + run.seconds
        for state, count in run.states.items():
            days[(*key, state)] += count
    rows = [
        (*key, runs[key], seconds[key], *(days[(*key, state)] for state in STATES)) for key in sorted(runs, key=str)
    ]
    return frame(runs_day, rows)
