"""A small world that runs, breaks and is late by a clock that the test sets, and the tables about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest
import time_machine

from lakeproof import Column, Sla, Table, Window, audit, daily_table
from operations.definitions import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lakeproof import Lakehouse

values: dict[date, int] = {}

till = Table(
    "world.till",
    columns=[Column("day", "date"), Column("value", "int")],
    partition="day",
    layer="collection",
    start="2026-11-01",
    owner="team:shop",
    audits=[audit.between("value", 0, 100), audit.between("value", 0, 50, severity="warn", name="usual")],
    sla=Sla("06:00"),
)


@daily_table(till)
def make_till(window: Window) -> pl.DataFrame:
    """Make a row a day, of what the test says; a day of -7 breaks."""
    if any(values.get(day) == -7 for day in window.days):
        message = "out of paper"
        raise RuntimeError(message)
    rows = [(day, values.get(day, 1)) for day in window.days]
    return pl.DataFrame(rows, schema={"day": pl.Date, "value": pl.Int32}, orient="row")


receipts = Table(
    "world.receipts",
    columns=[Column("day", "date"), Column("value", "int")],
    partition="day",
    layer="analysis",
    start="2026-11-01",
    owner="team:shop",
    audits=[audit.row_count(at_least=1)],
)


@daily_table(receipts, till=till)
def make_receipts(till: pl.DataFrame) -> pl.DataFrame:
    """Take the till as it is."""
    return till


@dataclass
class World:
    """A lake and Dagster's record of it, at instants of November 2026, and of December where they say so."""

    lakehouse: Lakehouse
    instance: dg.DagsterInstance
    assets: dict[str, dg.AssetsDefinition] = field(default_factory=lambda: {a.key.path[-1]: a for a in TABLES})

    def run(self, clock: str, first: int, last: int | None = None, **said: int) -> None:
        """Run days of the till; `_3=-1` is what it then holds on the third."""
        values.update({date(2026, 11, int(name.strip("_"))): value for name, value in said.items()})
        self._materialize(make_till, clock, first, last)

    def read(self, clock: str, first: int, last: int | None = None) -> None:
        """Run days of what reads the till."""
        self._materialize(make_receipts, clock, first, last)

    def about(self, table: str, clock: str, first: int, last: int | None = None) -> list[dict[str, Any]]:
        """Make days of a table about operations, and return their rows, with what is the same in all left out."""
        done = self._materialize(self.assets[table], clock, first, last)
        assert done.success
        days = [date(2026, 11, first) + timedelta(days=n) for n in range((last or first) - first + 1)]
        stored = pl.DataFrame(self.lakehouse.catalog.load_table(f"operations.{table}").scan().to_arrow())
        return stored.filter(pl.col("day").is_in(days)).sort(pl.all()).to_dicts()

    def _materialize(
        self, asset: dg.AssetsDefinition, clock: str, first: int, last: int | None
    ) -> dg.ExecuteInProcessResult:
        start, end = (f"2026-11-{number:02}" for number in (first, last or first))
        tags = {"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": end}
        tags = tags if last else {"dagster/partition": start}
        with time_machine.travel(f"2026-{clock if clock.startswith('12-') else f'11-{clock}'}Z", tick=True):
            return dg.materialize(
                [asset],
                instance=self.instance,
                resources={"lakehouse": self.lakehouse},
                tags=tags,
                raise_on_error=False,
            )


@pytest.fixture
def rates_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what puts rates of a day in the place of those that are shipped; a processor is a dollar a second."""
    file = tmp_path / "rates.yaml"
    monkeypatch.setenv("LAKEPROOF_RATES", str(file))

    def write(day: str) -> None:
        vcpu, storage = (
            f"{{usd: {usd}, unit: {unit}, source: a test, date: {day}}}"
            for usd, unit in ((3_600, "vCPU-hour"), (0.02, "GB-month"))
        )
        file.write_text(f"currency: USD\nrates:\n  vcpu: {vcpu}\n  storage: {storage}\n")

    return write


@pytest.fixture
def world(lakehouse: Lakehouse) -> Iterator[World]:
    """Return a world in which nothing has happened."""
    values.clear()
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(lakehouse, instance)
