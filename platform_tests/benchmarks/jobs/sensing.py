"""Many small tables, published, and the sensor that looks at all of them; many declared tables, loaded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import polars as pl
import pyarrow as pa
import time_machine

from lakeproof import Column, Lakehouse, Sla, Table, Window, audit, daily_table, readiness, slas
from lakeproof.asset import run, table_assets
from lakeproof.engine.cast import arrow_schema
from lakeproof.source import Completeness, Delivery, Precheck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIRST = date(2014, 1, 1)
FIELDS = (Column("day", "date"), Column("value", "int"))
EVERY_RAW = 10
"""Of so many tables one is collected, and the others read it."""

SLAS = "lakeproof_sla"
RAW = "lakeproof_sources"
READY = "lakeproof_readiness"


@dataclass(frozen=True)
class Daily:
    """A source that has one row of every day."""

    name: str = "every day"
    fields: tuple[Column, ...] = FIELDS

    def precheck(self, window: Window | None) -> Precheck:
        """Find nothing wrong."""
        del window
        return Precheck()

    def complete(self, window: Window | None) -> Mapping[date | None, Completeness]:
        """Have all of every day, in one version."""
        days: Sequence[date | None] = (None,) if window is None else window.days
        return {day: Completeness(complete=True, reason="there", version="1") for day in days}

    def count(self, window: Window | None) -> None:
        """Not count."""

    def version(self, window: Window | None) -> dict[str, str]:
        """Have one version."""
        del window
        return {}

    def read(self, window: Window | None) -> Delivery:
        """Read a row a day."""
        days = list(window.days) if window else []
        return Delivery(pa.table([days, [1] * len(days)], schema=arrow_schema(self.fields)).to_reader())


def declared(tables: int, sla: Sla | None = None) -> list[dg.AssetsDefinition]:
    """Declare tables: each tenth collects, the others read it."""
    assets: list[dg.AssetsDefinition] = []
    raw: Table | None = None
    for number in range(tables):
        table = Table(
            f"bench.table_{number}",
            columns=FIELDS,
            partition="day",
            start=FIRST,
            layer="collection",
            owner="team:bench",
            audits=[audit.between("value", 0, 100), audit.row_count(at_least=1)],
            sla=sla,
        )
        reads: Any = Daily() if raw is None or number % EVERY_RAW == 0 else raw
        raw = table if number % EVERY_RAW == 0 else raw

        @daily_table(table, given=reads)
        def take(given: pl.DataFrame) -> pl.DataFrame:
            return given

        assets.append(take)
    return assets


def publish(home: str, tables: int, days: int) -> dict[str, Any]:
    """Publish the first days of each table, each table in one run, and record what the sources have."""
    made = _Made(home, tables, days)
    keys = [str(day) for day in Window.of(FIRST, FIRST + timedelta(days=days - 1)).days]
    for table in table_assets(asset.key for asset in made.assets):
        # What the asset does, without Dagster's record of it: the sensor does not read it, and it takes far longer.
        context = SimpleNamespace(
            resources=SimpleNamespace(lakehouse=made.lakehouse),
            partition_keys=keys,
            run=SimpleNamespace(tags={}, run_id="bench"),
        )
        with time_machine.travel(made.now):
            outcome = run(table, cast("Any", context))
        assert len(outcome.of("published")) == days
    while events := made.tick(RAW, None).asset_events:
        for event in events:
            made.instance.report_runless_asset_event(event)
    return {"published": tables * days}


def look(home: str, tables: int, days: int, rounds: int) -> dict[str, Any]:
    """Let the sensor look for the first time, from a process that starts anew, and then again and again.

    The first look is as many ticks as it takes to have seen every table: a tick ends after some seconds, and the next
    one goes on from there.
    """
    first, cursor, parts, asked = _Made(home, tables, days), "", [], 0
    while True:
        began = time.monotonic()
        result = first.tick(READY, cursor)
        asked += len(result.run_requests or [])
        if result.cursor == cursor:
            break
        parts.append(time.monotonic() - began)
        cursor = result.cursor

    again, timed = _Made(home, tables, days), []
    for _ in range(rounds + 1):
        began = time.monotonic()
        asked += len(again.tick(READY, cursor).run_requests or [])
        timed.append(time.monotonic() - began)
    return {
        "first": sum(parts),
        "parts": len(parts),
        "anew": timed[0],
        "ticks": timed[1:],
        "asked": asked,
    }


def due(home: str, tables: int, days: int, rounds: int) -> dict[str, Any]:
    """Let the sensor of SLAs look for the first time, and then again and again as a day of every table falls due.

    The first of these days is there in time, and the others never come.
    """
    made, timed, evaluated = _Made(home, tables, days, Sla("07:00", since=FIRST)), [], []
    for at in (made.now, *(made.now + timedelta(days=number, hours=2) for number in range(rounds + 1))):
        began = time.monotonic()
        events = made.tick(SLAS, None, at).asset_events
        timed.append(time.monotonic() - began)
        evaluated.append(len(events))
        for event in events:
            made.instance.report_runless_asset_event(event)
    return {"first": timed[0], "ticks": timed[1:], "evaluated": evaluated}


def load(tables: int) -> dict[str, Any]:
    """Load a code location of so many tables, as Dagster does: declare, put together, draw the graph."""
    began = time.monotonic()
    assets = declared(tables)
    defs = dg.Definitions.merge(dg.Definitions(assets=assets, resources={"lakehouse": Lakehouse()}), readiness(assets))
    defs.get_repository_def().asset_graph.toposorted_asset_keys_by_level  # noqa: B018 - drawing it is what is timed
    return {"seconds": time.monotonic() - began, "tables": len(table_assets(asset.key for asset in assets))}


class _Made:
    """A code location, its lake and Dagster's record of it, on the day after the last that is published."""

    def __init__(self, home: str, tables: int, days: int, sla: Sla | None = None) -> None:
        lakehouse = Lakehouse(home=home)
        self.assets = declared(tables, sla)
        self.lakehouse = lakehouse
        self.now = datetime.combine(FIRST + timedelta(days=days), datetime.min.time(), UTC) + timedelta(hours=6)
        self.defs = dg.Definitions.merge(
            dg.Definitions(assets=self.assets, resources={"lakehouse": lakehouse}),
            readiness(self.assets),
            slas(self.assets),
        )
        record = Path(home) / "dagster"
        record.mkdir(exist_ok=True)
        self.instance = dg.DagsterInstance.local_temp(str(record))
        self.repository = self.defs.get_repository_def()

    def tick(self, sensor: str, cursor: str | None, now: datetime | None = None) -> Any:
        """Evaluate a sensor."""
        context = dg.build_sensor_context(
            self.instance, cursor=cursor, repository_def=self.repository, resources={"lakehouse": self.lakehouse}
        )
        with time_machine.travel(now or self.now):
            return self.repository.get_sensor_def(sensor).evaluate_tick(context)
