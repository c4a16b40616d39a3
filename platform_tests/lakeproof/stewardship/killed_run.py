"""A run that says that it is at work, and then waits to be killed: its arguments are Dagster's home and the lake's."""

from __future__ import annotations

import sys
import time

import dagster as dg
import polars as pl

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table

endless = Table(
    "spent.endless",
    columns=[Column("day", "date")],
    partition="day",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.row_count(at_least=1)],
)


@daily_table(endless)
def make_endless(window: Window) -> pl.DataFrame:
    """Never come to an end."""
    sys.stdout.write(f"at work on {window}\n")
    sys.stdout.flush()
    time.sleep(600)
    return pl.DataFrame()


with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
    dg.materialize(
        [make_endless],
        partition_key="2024-01-01",
        instance=instance,
        resources={"lakehouse": Lakehouse(home=sys.argv[2])},
    )
