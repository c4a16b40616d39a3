"""What each table cost on a day: made, kept, and wasted; and with all that it is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import duckdb  # noqa: TC002 - an audit's form is read from its annotation
import polars as pl

from lakeproof import Column, Table, Value, Window, audit, daily_table
from lakeproof.stewardship.costing import costs_of
from operations.pipeline import frame, operations
from operations.recorded import tables_recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from lakeproof.stewardship.costing import Costs

CENT = 0.01
"""How far the sum of what is borne may be from what was spent, for all tables of a day: figures are rounded."""


def _no_dollar_is_lost(day: duckdb.DuckDBPyRelation) -> bool:
    """Whether what the ends bear adds up to what was spent."""
    (off,) = day.aggregate("coalesce(abs(sum(borne_usd) - sum(usd)), 0)").fetchall()[0]
    return bool(off < CENT)


cost_day = Table(
    "operations.cost_day",
    description=(
        "One row per day and table that cost anything, itself or by what it is made from: what its runs that ended on "
        "the day used, what it kept, and what that is in US dollars."
    ),
    columns=[
        Column("day", "date", "Day of the clock, in UTC, on which the runs ended."),
        Column("table_name", "string", "The table."),
        Column("processor_seconds", "double", "Of this machine's processors, by runs that left a measure.", digits=6),
        Column("wasted_processor_seconds", "double", "Of these, for what readers got nothing new of.", digits=6),
        Column(
            "unmeasured_seconds", "double", "By the clock, of attempts that left no measure, as killed ones.", digits=6
        ),
        Column("cluster_seconds", "double", "For which a cluster was at work, other than AWS Glue.", digits=6),
        Column("dpu_hours", "double", "DPU-hours of AWS Glue.", digits=6),
        Column("bytes_read", "long", "Of data files of inputs, and of what sources delivered."),
        Column("bytes_written", "long", "Of data files, those of held and discarded stages included."),
        Column("bytes_kept", "long", "Of data files at the end of the day."),
        Column("requests", "long", "Requests to sources, attempts that failed included."),
        Column("compute_usd", "double", "Processors and clusters, for what readers got.", digits=9),
        Column("storage_usd", "double", "Keeping the data files for the day.", digits=9),
        Column("requests_usd", "double", "Requests to paid APIs, for what readers got.", digits=9),
        Column(
            "wasted_usd",
            "double",
            "Compute and requests of which readers got nothing new: held, unchanged, moved and blocked days, failed, "
            "killed and repeated runs, runs to an output.",
            digits=9,
        ),
        Column("usd", "double", "All four; null where it could not be priced.", digits=9),
        Column("full_usd", "double", "That, and the table's share of all that it is made from.", digits=9),
        Column("borne_usd", "double", "What of it stays with the table; the sum is what was spent.", digits=9),
        Column("rates_of", "date", "The day of the oldest rate; null where it could not be priced."),
    ],
    partition="day",
    layer="operations",
    pipeline=operations,
    key=["day", "table_name"],
    allow_empty=True,  # nothing may have cost anything
    audits=[
        audit.unique(),
        audit.not_null("table_name", "processor_seconds", "bytes_kept"),
        *(
            audit.between(name, 0, None)
            for name in (
                "processor_seconds",
                "unmeasured_seconds",
                "bytes_read",
                "bytes_written",
                "bytes_kept",
                "requests",
                "compute_usd",
                "storage_usd",
                "requests_usd",
                "wasted_usd",
            )
        ),
        audit.sql("waste_is_part_of_it", "wasted_processor_seconds between 0 and processor_seconds"),
        audit.sql("four_make_the_whole", "abs(usd - compute_usd - storage_usd - requests_usd - wasted_usd) < 1e-8"),
        audit.sql("full_is_no_less", "full_usd >= usd - 1e-8 and borne_usd between 0 and full_usd"),
        audit.python("no_dollar_is_lost", _no_dollar_is_lost),
        audit.not_null("usd", severity="warn", name="priced"),
    ],
    value=Value("data platform", 0, "what tables cost; value_day judges by it"),
)


@daily_table(cost_day)
def build_cost_day(window: Window, context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Price and attribute what was used on each day; with rates that do not hold, only say what was used."""
    # lakeproof: ok (what tables keep, as of the end of each day)
    lake = context.resources.lakehouse.lake
    known = {*lake.tables(), *tables_recorded(context.instance)}
    rows: list[tuple[object, ...]] = []
    for day in window.days:
        costs = costs_of(context.instance, lake, known, day)
        if costs.unpriced:
            context.log.warning("The costs of %s are not priced. %s", day, costs.unpriced)
        rows += _rows(day, costs)
    return frame(cost_day, rows)


def _rows(day: date, costs: Costs) -> Iterator[tuple[object, ...]]:
    """Yield the row of each table."""
    for name, usage in costs.usage.items():
        good, wasted = usage.good, usage.wasted
        both = good + wasted
        used = (both.cpu, wasted.cpu, both.unseen, both.cluster, both.dpu)
        seconds = [number / 1_000_000 for number in used]
        counts = (both.read, both.written, usage.kept, sum(both.requests.values()))
        money: tuple[object, ...] = (None,) * 8
        if (priced := costs.money.get(name)) is not None:
            spent, cost = priced.spent, priced.attributed
            of_own = (spent.compute, spent.storage, spent.requests, spent.wasted, spent.usd)
            money = (*of_own, cost.full, cost.borne, priced.rates_of)
        yield (day, name, *seconds, *counts, *money)
