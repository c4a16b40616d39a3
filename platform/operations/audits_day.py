"""What each audit of each table said on a day."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from lakeproof import Column, Table, Value, Window, audit, daily_table
from operations.pipeline import frame, operations
from operations.recorded import table_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

audits_day = Table(
    "operations.audits_day",
    description="One row per day, table and audit: what it found in the runs that ended on the day.",
    columns=[
        Column("day", "date", "Day of the clock, in UTC, on which the runs ended."),
        Column("table_name", "string", "The table."),
        Column("audit", "string", "The audit, or the pre-check."),
        Column("judged", "int", "Days that it judged."),
        Column("passed", "int", "Of these, good."),
        Column("failed", "int", "Of these, held or blocked by it."),
        Column("warned", "int", "Of these, not good, and published all the same."),
        Column("rows_at_fault", "int", "Rows that it found at fault; none for an audit that measures a day."),
    ],
    partition="day",
    layer="operations",
    pipeline=operations,
    key=["day", "table_name", "audit"],
    allow_empty=True,  # nothing may have run
    audits=[
        audit.unique(),
        audit.not_null("table_name", "audit"),
        audit.between("judged", 1, None),
        audit.between("rows_at_fault", 0, None),
        audit.sql("every_judgement_counts_once", "judged = passed + failed + warned"),
    ],
    value=Value("data platform", 0, "which audits find what, when a bound is to be moved"),
)

ROWS, AT_FAULT = "rows", "rows failed"
"""What an evaluation tells of rows; one without the first only says that nothing was judged."""


@daily_table(audits_day)
def build_audits_day(window: Window, context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Count what the audits of the runs that ended on each day found."""
    found: Counter[tuple[object, ...]] = Counter()
    judged: set[tuple[object, ...]] = set()
    for run in table_runs(context.instance, window):
        for check in run.checks:
            if check.check_name and ROWS in check.metadata:
                key = (run.day, run.table, check.check_name)
                judged.add(key)
                found.update(dict(_counts(key, check)))
    rows = [
        (*key, sum(found[(*key, said)] for said in SAID), *(found[(*key, said)] for said in (*SAID, AT_FAULT)))
        for key in sorted(judged, key=str)
    ]
    return frame(audits_day, rows)


SAID = ("passed", "failed", "warned")


def _counts(key: tuple[object, ...], check: dg.AssetCheckEvaluation) -> Iterator[tuple[tuple[object, ...], int]]:
    """Yield what one evaluation adds to the counts."""
    holds = check.severity is dg.AssetCheckSeverity.ERROR
    yield (*key, "passed" if check.passed else "failed" if holds else "warned"), 1
    at_fault = check.metadata.get(AT_FAULT)
    if at_fault is not None and isinstance(at_fault.value, int):
        yield (*key, AT_FAULT), at_fault.value
