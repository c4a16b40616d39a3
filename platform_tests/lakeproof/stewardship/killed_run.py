"""A run that says that it is at work, and then waits to be killed.

Its arguments are Dagster's home, the lake's, and the output that it runs to, if it does not run to `main`.
"""

from __future__ import annotations

import sys
import time

import dagster as dg
import polars as pl

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table, output_jobs

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
    resources = {"lakehouse": Lakehouse(home=sys.argv[2])}
    if len(sys.argv) == 3:  # and no output
        dg.materialize([make_endless], partition_key="2024-01-01", instance=instance, resources=resources)
    else:
        defs = dg.Definitions.merge(output_jobs([make_endless]), dg.Definitions(resources=resources))
        defs.resolve_job_def("lakeproof_output").execute_in_process(
            instance=instance, partition_key="2024-01-01", tags={"lakeproof/output": sys.argv[3]}
        )
