"""A pipeline of three tables: a reference list, a daily table that reads a file, and one that reads the day."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import polars as pl

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table

sensors = Table(
    "small.sensors",
    columns=[Column("sensor", "string")],
    layer="collection",
    owner="team:lab",
    key=["sensor"],
    audits=[audit.unique()],
)
readings = Table(
    "small.readings",
    columns=[Column("day", "date"), Column("sensor", "string"), Column("value", "int")],
    partition="day",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    key=["day", "sensor"],
    owner="team:lab",
    audits=[audit.between("value", 0, 100), audit.references("sensor", "small.sensors", "sensor", severity="warn")],
)
totals = Table(
    "small.totals",
    columns=[Column("day", "date"), Column("total", "long")],
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


defs = dg.Definitions(assets=[list_sensors, collect_readings, add_up], resources={"lakehouse": Lakehouse()})
