"""A pipeline of which one half is worth something to a consumer with a hostile name, and nobody needs the other."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import polars as pl

from lakeproof import Column, Lakehouse, Table, Value, Window, audit, daily_table

HOSTILE = '<script>alert("1")</script>'

sensors = Table(
    "worth.sensors",
    columns=[Column("sensor", "string")],
    layer="collection",
    owner="team:lab",
    key=["sensor"],
    audits=[audit.unique()],
)
readings = Table(
    "worth.readings",
    columns=[Column("day", "date"), Column("sensor", "string"), Column("value", "int")],
    partition="day",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    key=["day", "sensor"],
    owner="team:lab",
    audits=[audit.between("value", 0, 100), audit.references("sensor", "worth.sensors", "sensor", severity="warn")],
)
totals = Table(
    "worth.totals",
    value=Value(HOSTILE, 1_000_000, "what to order", owner="team:shop", review_by="2026-09-30"),
    columns=[Column("day", "date"), Column("total", "long")],
    partition="day",
    layer="analysis",
    start="2024-01-01",
    end="2024-02-01",
    key=["day"],
    owner="team:lab",
    audits=[audit.unique()],
)

idle = Table(
    "worth.idle",
    columns=[Column("day", "date"), Column("twice", "long")],
    partition="day",
    layer="analysis",
    start="2024-01-01",
    end="2024-02-01",
    key=["day"],
    owner="team:lab",
    audits=[audit.unique()],
)
idle_sum = Table(
    "worth.idle_sum",
    columns=[Column("day", "date"), Column("twice", "long")],
    partition="day",
    layer="analysis",
    start="2024-01-01",
    end="2024-02-01",
    key=["day"],
    owner="team:lab",
    audits=[audit.unique()],
)


@daily_table(sensors)
def list_sensors() -> pl.DataFrame:
    """List the sensors."""
    return pl.DataFrame({"sensor": ["a", "b"]})


@daily_table(readings)
def collect_readings(window: Window) -> pl.DataFrame:
    """Read a value a day from a file of the working directory; 1 where it has none, text for a broken source."""
    said = json.loads(Path("values.json").read_text())  # lakeproof: ok (it stands for a source in these tests)
    rows = [(day, "a", said.get(day.isoformat(), 1)) for day in window.days]
    if any(isinstance(value, str) for _, _, value in rows):
        message = "the source is broken"
        raise ValueError(message)
    return pl.DataFrame(rows, schema={"day": pl.Date, "sensor": pl.String, "value": pl.Int64}, orient="row")


@daily_table(totals, readings=readings)
def add_up(readings: pl.LazyFrame) -> pl.LazyFrame:
    """Add up the day."""
    return readings.group_by("day").agg(total=pl.col("value").sum())


@daily_table(idle, readings=readings)
def double(readings: pl.LazyFrame) -> pl.LazyFrame:
    """Double the day."""
    return readings.group_by("day").agg(twice=pl.col("value").sum() * 2)


@daily_table(idle_sum, idle=idle)
def again(idle: pl.LazyFrame) -> pl.LazyFrame:
    """Take it as it is."""
    return idle


@dg.asset(deps=[dg.AssetKey(["worth", "sensors"])], key=["reports", "sensors"])
def report() -> None:
    """Stand for what reads a table and is none."""


defs = dg.Definitions(
    assets=[list_sensors, collect_readings, add_up, double, again, report], resources={"lakehouse": Lakehouse()}
)
