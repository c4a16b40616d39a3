"""A table whose source sends what a terminal would obey, in its values or in the text of its error."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl

from lakeproof import Column, Lakehouse, Table, audit, daily_table

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202eb"
"""Sets the window's title, clears the screen, turns it red, and reads from right to left."""

sensors = Table(
    "hostile.sensors",
    columns=[Column("sensor", "string")],
    layer="collection",
    owner="team:tests",
    audits=[audit.accepted_values("sensor", ["a"])],
)


@daily_table(sensors)
def list_sensors() -> pl.DataFrame:
    """Return the hostile value, or raise it where the working directory has a file of that name."""
    if Path("broken").exists():  # lakeproof: ok (it stands for a source in these tests)
        raise ValueError(HOSTILE)
    return pl.DataFrame({"sensor": [HOSTILE]})


defs = dg.Definitions(assets=[list_sensors], resources={"lakehouse": Lakehouse()})
