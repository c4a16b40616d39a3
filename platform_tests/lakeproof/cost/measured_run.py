"""A run that is measured from outside too: prints, as JSON, what `getrusage` says of it and what the platform tells."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import dagster as dg
import polars as pl

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table

SECONDS = float(sys.argv[1])

burnt = Table(
    "lab.burnt",
    columns=[Column("day", "date"), Column("value", "int")],
    partition="day",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.between("value", 0, 100)],
)

BURN = "import sys, time\nuntil = float(sys.argv[1])\nwhile time.process_time() < until: sum(range(1000))"


@daily_table(burnt)
def make_burnt(window: Window) -> pl.DataFrame:
    """Keep a processor busy for three quarters of the seconds here, and for the rest in a child."""
    if window.day.day > 1:
        until = time.process_time() + SECONDS * 3 / 4
        while time.process_time() < until:
            sum(range(1000))
        subprocess.run([sys.executable, "-c", BURN, str(SECONDS / 4)], check=True)
    return pl.DataFrame([(window.day, 1)], schema={"day": pl.Date, "value": pl.Int32}, orient="row")


def used() -> float:
    """Return the processor seconds of this process and its children that ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def run(instance: dg.DagsterInstance, lakehouse: Lakehouse, day: str) -> float:
    """Run a day, and return what it used."""
    before = used()
    done = dg.materialize([make_burnt], partition_key=day, instance=instance, resources={"lakehouse": lakehouse})
    assert done.success
    return used() - before


with dg.DagsterInstance.ephemeral() as instance:
    lakehouse = Lakehouse.in_memory()
    run(instance, lakehouse, "2024-01-01")  # whatever is imported late is not the second run's
    seconds = run(instance, lakehouse, "2024-01-02")
    event = instance.get_latest_materialization_event(make_burnt.key)
    assert event is not None
    assert event.asset_materialization is not None
    told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    sys.stdout.write(json.dumps({"seconds": seconds, "told": told["used: processor seconds"]}))
