"""What the tests of the core share: one small table, rows for it, and the real path into `main`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakeproof import Column, Lakehouse, Table, Window, audit
from lakeproof.docket import Docket
from lakeproof.docket import audit as judge_stage
from lakeproof.engine.duck import connect
from lakeproof.engine.function import FunctionMaker, function_maker
from lakeproof.lake.evidence import PATH_KEY, SHA256_KEY
from lakeproof.lake.live import LiveDay, View
from lakeproof.lake.publish import Published, publish
from lakeproof.making import stage
from lakeproof.reading import TableReader, content_of, read_table
from lakeproof.wap import new_run_id, write_audit_publish
from lakeproof.work import Work, base_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.stage import Staged
    from lakeproof.verdict import Verdict

FIRST = date(2024, 1, 1)


@dataclass
class Attempt:
    """A run that was stopped between its audit and its publish."""

    table: IcebergTable
    staged: Staged
    verdicts: dict[Any, Verdict]
    base: dict[Any, frozenset[str]]

    def publish(self, **changes: Any) -> Published:
        """Go on with the publish."""
        evidence = {PATH_KEY: f"evidence of {self.staged.run} {self.staged.days}", SHA256_KEY: "0"}
        given: dict[str, Any] = {"staged": self.staged, "verdicts": self.verdicts, "base": self.base} | changes
        staged, verdicts = given.pop("staged"), given.pop("verdicts")
        return publish(
            self.table,
            staged,
            verdicts,
            content_of=lambda live: content_of(View(self.table, None), live, staged.columns),
            evidence=evidence,
            **given,
        )

    def only(self, *days: date) -> Attempt:
        """Return the same run with some of its days."""
        return Attempt(self.table, self.staged.only(days), self.verdicts, {day: self.base[day] for day in days})


@dataclass(frozen=True)
class Lab:
    """A lake, and short ways to declare a table of sensor readings and to run days of it."""

    lakehouse: Lakehouse

    @staticmethod
    def day(number: int) -> date:
        """Return the numbered day of the table; 1 is its first."""
        return FIRST + timedelta(days=number - 1)

    @staticmethod
    def table(name: str = "lab.readings", **changes: Any) -> Table:
        """Declare the readings: good values are 0 to 100."""
        fields: dict[str, Any] = {
            "columns": [Column("reading_date", "date"), Column("sensor", "string"), Column("value", "int")],
            "partition": "reading_date",
            "start": FIRST,
            "layer": "collection",
            "key": ["reading_date", "sensor", "value"],
            "owner": "team:lab",
            "audits": [audit.between("value", 0, 100)],
        }
        if changes.get("partition", "reading_date") is None:
            fields["start"] = None
        return Table(name, **{**fields, **changes})

    def rows(self, *values: int | None, day: int = 1, sensor: str | None = "a") -> pl.DataFrame:
        """Return a reading for each value."""
        schema = {"reading_date": pl.Date, "sensor": pl.String, "value": pl.Int32}
        return pl.DataFrame([(self.day(day), sensor, value) for value in values], schema=schema, orient="row")

    def days(self, count: int, *values: int) -> pl.DataFrame:
        """Return the same readings for each of the first days."""
        return pl.concat([self.rows(*values, day=number) for number in range(1, count + 1)])

    def work(self, table: Table, rows: pl.DataFrame | Callable[[Window | None], Any], *days: int, **more: Any) -> Work:
        """Return what makes numbered days from rows, of which each window gets its own, or from a function."""

        def make(window: Window | None) -> Any:
            if window is None or not isinstance(rows, pl.DataFrame):
                return rows if isinstance(rows, pl.DataFrame) else rows(window)
            return rows.filter(pl.col(table.partition or "").is_between(window.first, window.last))

        listed = tuple(self.day(number) for number in days or (1,)) if table.partition else (None,)
        maker = FunctionMaker(make, {"window": Window})
        more.setdefault(
            "base", base_of(self.lakehouse.lake, table, listed, chained="before" in more.get("readers", {}))
        )
        return Work(**{"table": table, "maker": maker, "readers": {}, "days": listed, **more})

    def run(self, table: Table, rows: pl.DataFrame | Callable[[Window | None], Any], *days: int, **more: Any) -> Any:
        """Take numbered days through stage, audit and publish."""
        return write_audit_publish(self.lakehouse.lake, self.work(table, rows, *days, **more))

    def chain(self, table: Table, added: dict[int, int], *days: int) -> Any:
        """Run days of a table that reads itself: each is the day before and what is added to it."""

        def add(window: Window, before: pl.DataFrame) -> pl.DataFrame:
            number = (window.day - FIRST).days + 1
            return self.rows((before["value"].sum() or 0) + added[number], day=number)

        add.__annotations__ = {"window": Window, "before": pl.DataFrame}
        how = table.previous()
        windows = [Window.of(self.day(number)) for number in days]
        readers = {"before": TableReader.open(self.lakehouse.lake, how, windows)}
        maker = function_maker(table, add, {"before": how})
        return self.run(table, self.rows(), *days, readers=readers, maker=maker, sequential=True)

    def attempt(self, rows: pl.DataFrame, *days: int, **changes: Any) -> Attempt:
        """Stage and audit numbered days, and stop before the publish."""
        work = self.work(self.table(**changes), rows, *days)
        table = self.lakehouse.lake.ensure(work.table)
        live = View.of(table).days
        base = {day: frozenset(live[day].locations) if day in live else frozenset() for day in work.days}
        staged = stage(table, work, new_run_id())
        docket = Docket.open(self.lakehouse.lake, table, work.table, work.days)
        return Attempt(table, staged, judge_stage(work.table, staged, docket), base)

    def states(self, *args: Any, **more: Any) -> list[str]:
        """Run, and return what became of each day."""
        return [day.state for day in self.run(*args, **more).days]

    def results(self, *args: Any, **more: Any) -> dict[str, Any]:
        """Run one day, and return the result of each audit by its name."""
        return {result.audit: result for result in self.run(*args, **more).days[0].verdict.results}

    def stored(self, name: str = "lab.readings") -> IcebergTable:
        """Return the table as its catalog has it now."""
        return self.lakehouse.catalog.load_table(name)

    def live(self, name: str = "lab.readings") -> dict[Any, LiveDay]:
        """Return the published days."""
        return View.of(self.stored(name)).days

    def shown(self, table: Table) -> list[int]:
        """Return the values that the lake shows of a table, as its output has it, day by day."""
        rows = read_table(self.lakehouse.lake, table).relation(connect())
        return [value for _, value in sorted(rows.project("reading_date, value").fetchall())]

    def values(self, day: int | None = None, name: str = "lab.readings") -> list[int]:
        """Return the values that a reader with stock PyIceberg sees, in order."""
        found = pl.DataFrame(self.stored(name).scan().to_arrow())
        if day is not None:
            found = found.filter(pl.col("reading_date") == self.day(day))
        return sorted(found["value"].to_list())


@pytest.fixture
def lab(lakehouse: Lakehouse) -> Lab:
    """Return the lab, with an empty lake."""
    return Lab(lakehouse)


@pytest.fixture
def beside(lab: Lab) -> Lab:
    """Return the lab with the same lake, as the output fix-units has it."""
    return replace(lab, lakehouse=Lakehouse(home=lab.lakehouse.home, output="fix-units"))
