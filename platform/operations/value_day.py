"""Whether pipelines pay: what each was worth, cost and was used for by the end of a day, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from lakeproof import Column, Table, Value, Window, audit, daily_table
from lakeproof.stewardship.advice import ACTIONS
from lakeproof.stewardship.spent import Spent
from lakeproof.stewardship.valuing import looked_at, made_on_record, recorded, unnamed, uses_on_record
from lakeproof.stewardship.worth import worths
from lakeproof.stewardship.worthtext import markdown
from operations.cost_day import cost_day
from operations.pipeline import frame, operations
from operations.recorded import tables_recorded

if TYPE_CHECKING:
    from datetime import date

    from lakeproof.stewardship.worth import Worth

COSTS = ("compute_usd", "storage_usd", "requests_usd", "wasted_usd")

value_day = Table(
    "operations.value_day",
    description=(
        "One row per day and end, a table that is worth something or that no other reads: what it and all it needs "
        "were worth and cost, a month of the 28 days that end with the day. No person is named."
    ),
    columns=[
        Column("day", "date", "Day of the clock, in UTC."),
        Column("table_name", "string", "The end."),
        Column("owner", "string", "Who owns it."),
        Column("consumers", "int", "To how many consumers its contract says that it is worth something."),
        Column("worth_usd", "double", "What it is worth to them, in US dollars a month.", digits=2),
        Column(
            "cost_usd", "double", "What it costs, with its share of what it needs, in US dollars a month.", digits=6
        ),
        Column("cost_usd_before", "double", "The same, of the 28 days before.", digits=6),
        Column("saving_usd", "double", "What of it nothing else needs: saved, if it stopped.", digits=6),
        Column("lost_usd", "double", "What it costs beyond its worth; below zero, what it gains.", digits=6),
        Column("uses", "int", "On how many of the 28 days somebody was seen to read it, each reader's days counted."),
        Column("uses_before", "int", "The same, of the 28 days before."),
        Column("unread_days", "int", "Days since somebody was; null when nobody ever was."),
        Column("sla_share", "double", "Share of its last 28 days that were in time; null without an SLA.", digits=4),
        Column("action", "string", "What to do: keep, less often, cheaper engine or stop."),
        Column("reason", "string", "Why, with the numbers."),
        Column("unpriced_days", "int", "Days of the 56 with costs that were not priced, and so do not count."),
    ],
    partition="day",
    layer="operations",
    pipeline=operations,
    key=["day", "table_name"],
    allow_empty=True,  # there may be no table yet
    audits=[
        audit.unique(),
        audit.not_null("table_name", "action", "reason", "worth_usd", "cost_usd"),
        audit.accepted_values("action", list(ACTIONS)),
        audit.between("worth_usd", 0, None),
        audit.sql("saving_is_part_of_cost", "saving_usd between 0 and cost_usd + 1e-6"),
        audit.sql("lost_is_cost_beyond_worth", "abs(lost_usd - (cost_usd - worth_usd)) < 0.01"),
        audit.between("unpriced_days", 0, 0, severity="warn", name="priced"),
    ],
    value=Value(
        "data platform", 0, "which pipelines to stop; what that saves is told of each, and saved by none of it"
    ),
)


@daily_table(value_day, costs=cost_day.last(days=56))
def build_value_day(window: Window, costs: pl.DataFrame, context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Judge each end by what was on record when the day ended; who reads what is on record beside the tables."""
    # lakeproof: ok (what tables and Dagster keep, as of the end of the day)
    lake, day = context.resources.lakehouse.lake, window.day
    known = recorded(context.instance, lake, {*lake.tables(), *tables_recorded(context.instance)}, window.end)
    names = [table.name for table in known]
    found = worths(
        known,
        spent=_spent(costs.filter(pl.col("usd").is_not_null())),
        uses=unnamed(uses_on_record(lake, names)),
        made=made_on_record(context.instance, lake, names, window.end),
        last=day,
    )
    unpriced = costs.filter(pl.col("usd").is_null(), pl.col("day") >= looked_at(day).first)["day"].n_unique()
    told = dg.MetadataValue.md(markdown(found))
    context.add_asset_metadata({"value": told}, partition_key=day.isoformat())
    return frame(value_day, (_row(day, worth, unpriced) for worth in found))


def _spent(costs: pl.DataFrame) -> list[Spent]:
    """Return what was spent, as it was priced on each day."""
    return [Spent(*row) for row in costs.select("day", "table_name", *COSTS).iter_rows()]


def _row(day: date, worth: Worth, unpriced: int) -> tuple[object, ...]:
    attained = worth.made.attained
    return (
        day,
        worth.name,
        worth.table.owner,
        len(worth.table.values),
        worth.usd,
        worth.cost,
        worth.cost_before,
        worth.saving,
        worth.lost,
        worth.uses,
        worth.uses_before,
        worth.unread_days,
        None if attained is None else attained.share,
        worth.advice.action,
        worth.advice.reason,
        unpriced,
    )
