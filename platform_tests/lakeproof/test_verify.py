"""A published day is made again from its recorded inputs, and what differs, or is gone, is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakeproof import Column, Window, audit, daily_table, sql_table
from lakeproof.asset import TableAsset, table_assets
from lakeproof.engine.cast import arrow_type
from lakeproof.lake import evidence as evidence_module
from lakeproof.lake.catalog import local_path
from lakeproof.source import Delivery, Precheck
from lakeproof.verify import DayVerified, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeproof.contract import Table


@dataclass
class Bench:
    """A lab, and short ways to publish tables with inputs and to verify them."""

    lab: Any
    run: Any

    def table(self, name: str = "lab.totals", **changes: Any) -> Table:
        """Declare a table of a number a day and sensor."""
        columns = [Column("reading_date", "date"), Column("sensor", "string"), Column("total", "long")]
        fields = {"columns": columns, "key": ["reading_date", "sensor"], "audits": [audit.row_count(at_least=0)]}
        return self.lab.table(name, **{**fields, **changes})

    def made(self, table: Table, function: Callable[..., Any], **inputs: Any) -> TableAsset:
        """Declare an asset."""
        return table_assets([daily_table(table, **inputs)(function).key])[0]

    def publish(self, made: TableAsset, *numbers: int) -> Any:
        """Run days of an asset through the real path."""
        days = [self.lab.day(number) for number in numbers or (1,)] if made.table.partition else [None]
        return self.run(self.lab.lakehouse, made, days)

    def verify(self, made: TableAsset, *numbers: int) -> list[DayVerified]:
        """Verify days, all by default."""
        days = [self.lab.day(number) for number in numbers] or None
        return list(verify(self.lab.lakehouse.lake, made, days))

    def states(self, made: TableAsset, *numbers: int) -> list[str]:
        """Verify days, and return what became of each."""
        return [verified.state for verified in self.verify(made, *numbers)]


@pytest.fixture
def bench(lab: Any, publish: Any) -> Bench:
    """Return a lab whose readings of three days are published."""
    lab.run(lab.table(), lab.days(3, 1, 2, 3), 1, 2, 3)
    return Bench(lab, publish)


def add_up(readings: pl.DataFrame) -> pl.DataFrame:
    """Add up each day."""
    return readings.group_by("reading_date", "sensor").agg(total=pl.col("value").cast(pl.Int64).sum())


def test_identical(bench: Bench) -> None:
    """Days whose inputs make them again are identical, and neither the lake nor the disk shows that anyone looked."""
    made = bench.made(bench.table(), add_up, readings=bench.lab.table())
    bench.publish(made, 1, 2, 3)
    home = Path(bench.lab.lakehouse.home)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}

    assert bench.states(made) == ["identical"] * 3
    assert bench.states(made, 2) == ["identical"]
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_every_type_is_the_same_again(bench: Bench) -> None:
    """A value comes back from a file as it was made, of every type, with what is null and what is no number."""
    moment, short = datetime(2024, 1, 1, 12, 30, 15, 123456, tzinfo=UTC), b"\x00\xff"
    values = {
        "boolean": True,
        "int": -1,
        "long": 2**62,
        "float": 0.1,
        "double": float("nan"),
        "decimal(38, 9)": Decimal("12345678901234567890.123456789"),
        "date": moment.date(),
        "time": moment.time(),
        "timestamp": moment.replace(tzinfo=None),
        "timestamptz": moment,
        "string": "ä\n",
        "uuid": UUID(int=2**127 + 1),
        "binary": short,
    }
    names = {kind: f"c_{number}" for number, kind in enumerate(values)}
    columns = [Column("reading_date", "date"), *(Column(names[kind], kind) for kind in values)]
    upstream, table = (
        bench.lab.table(name, columns=columns, key=[], audits=[audit.row_count(at_least=2)])
        for name in ("lab.typed", "lab.copied")
    )
    made_of = pa.schema([(column.name, arrow_type(column.type)) for column in columns])

    def give(window: Window) -> pa.Table:
        row = {names[kind]: value.bytes if kind == "uuid" else value for kind, value in values.items()}
        return pa.Table.from_pylist([{"reading_date": window.day} | row, {"reading_date": window.day}], schema=made_of)

    def copy(typed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return typed

    give.__annotations__, copy.__annotations__ = {"window": Window}, {"typed": duckdb.DuckDBPyRelation}
    first, second = bench.made(upstream, give), bench.made(table, copy, typed=upstream)
    bench.publish(first, 1)
    bench.publish(second, 1)

    assert [found.reasons for found in (*bench.verify(first), *bench.verify(second))] == [(), ()]
    assert bench.states(first) + bench.states(second) == ["identical"] * 2


def test_a_value_that_readers_see_and_inputs_do_not_make(bench: Bench) -> None:
    """Rows are matched by key; the column, both values, and how many rows of which kind differ are told."""
    factor = [1]

    def scale(readings: pl.DataFrame) -> pl.DataFrame:
        kept = add_up(readings).with_columns(pl.col("total") * factor[0])
        return kept if factor[0] == 1 else pl.concat([kept, kept.with_columns(sensor=pl.lit("b"))])

    scale.__annotations__ = {"readings": pl.DataFrame}
    made = bench.made(bench.table(), scale, readings=bench.lab.table())
    bench.publish(made, 1, 2)
    factor[0] = 10

    first = bench.verify(made)[0]
    changed, added = first.difference.samples
    assert first.state == "differs"
    assert (first.difference.old, first.difference.new) == (1, 2)
    assert (first.difference.changed, first.difference.only_new, first.difference.only_old) == (1, 1, 0)
    assert first.difference.columns == {"total": 1}
    assert (changed.key["sensor"], changed.old, changed.new) == ("a", {"total": 6}, {"total": 60})
    assert (added.key["sensor"], added.old, added.new) == ("b", None, {"total": 60})


def test_rows_without_a_key_are_compared_as_multisets(bench: Bench) -> None:
    """Copies count, and order does not."""
    values = [1, 1, 2]

    def give(window: Window) -> pl.DataFrame:
        return bench.lab.rows(*values, day=window.first.day)

    give.__annotations__ = {"window": Window}
    made = bench.made(bench.lab.table("lab.plain", key=[]), give)
    bench.publish(made, 1)
    values[:] = [2, 1, 1]
    assert bench.states(made) == ["identical"]
    values[:] = [1, 2, 2]

    (found,) = bench.verify(made)
    assert (found.state, found.difference.only_old, found.difference.only_new) == ("differs", 1, 1)
    assert found.difference.columns == {"value": 1}
    assert [(s.old or {}).get("value") or (s.new or {}).get("value") for s in found.difference.samples] == [1, 2]


def test_inputs_are_found_by_content(bench: Bench) -> None:
    """An input that was published anew with equal content, or whose replaced files are kept, is as it was read."""
    readings = bench.lab.table()
    made = bench.made(bench.table(), add_up, readings=readings)
    bench.publish(made, 1, 2)
    first = bench.lab.stored().current_snapshot().snapshot_id
    bench.lab.run(readings, bench.lab.rows(50), 1)
    bench.lab.run(readings, bench.lab.rows(3, 2, 1, day=2), 2)
    bench.lab.stored().maintenance.expire_snapshots().by_id(first).commit()

    assert bench.states(made) == ["identical", "identical"]


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ("collected", "which was read, was collected: replaced files are kept for 30 days"),
        ("changed", "which was read, has other bytes now"),
        ("no evidence", "the evidence of run .*, which was read, is gone or damaged"),
    ],
)
def test_inputs_gone(bench: Bench, loss: str, reason: str) -> None:
    """An input whose content is neither live nor kept is gone; which, of which day, and why is told, and no more."""
    readings = bench.lab.table()
    made = bench.made(bench.table(), add_up, readings=readings)
    bench.publish(made, 1, 2)
    (path,), run = bench.lab.live()[bench.lab.day(1)].paths, bench.lab.live()[bench.lab.day(1)].run
    bench.lab.run(readings, bench.lab.rows(50), 1)
    if loss == "collected":
        Path(path).unlink()
    elif loss == "changed":
        Path(path).write_bytes(Path(path).read_bytes() + b"x")
    else:
        Path(local_path(f"{bench.lab.stored().location()}/evidence/{run}.json")).unlink()

    gone, kept = bench.verify(made)
    assert (gone.state, kept.state) == ("inputs-gone", "identical")
    assert gone.difference is None
    (told,) = gone.reasons
    assert told.startswith("lab.readings 2024-01-01: run ")
    assert pl.Series([told]).str.contains(reason)[0], told


def test_live_inputs_are_judged_by_their_rows(bench: Bench) -> None:
    """A live input file that someone changed on disk is not what was read, whatever its evidence says."""
    made = bench.made(bench.table(), add_up, readings=bench.lab.table())
    bench.publish(made, 1)
    (path,) = bench.lab.live()[bench.lab.day(1)].paths
    rows = pq.ParquetFile(path).read()
    pq.write_table(rows.set_column(2, rows.schema.field("value"), pa.array([9] * rows.num_rows, pa.int32())), path)

    assert bench.states(made) == ["inputs-gone"]


def test_a_day_without_evidence_cannot_be_verified(bench: Bench) -> None:
    """Without evidence, or with one that is not its snapshot's, nothing tells what a day was made from."""
    made = bench.made(bench.table(), add_up, readings=bench.lab.table())
    path = Path(local_path(bench.publish(made, 1).evidence))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"inputs": {}}))
    evidence_module._contents.cache_clear()

    (found,) = bench.verify(made)
    assert found.state == "inputs-gone"
    assert "nothing tells what it was made from" in found.reasons[0]


def test_a_trailing_window_reads_what_it_read_then(bench: Bench) -> None:
    """Each day is made of exactly its own window, found day by day, also where one of them was replaced since."""
    readings = bench.lab.table()

    def trailing(window: Window, readings: pl.DataFrame) -> pl.DataFrame:
        return add_up(readings.with_columns(reading_date=pl.lit(window.day)))

    trailing.__annotations__ = {"window": Window, "readings": pl.DataFrame}
    made = bench.made(bench.table(), trailing, readings=readings.last(days=2))
    bench.publish(made, 1, 2, 3)
    bench.lab.run(readings, bench.lab.rows(7, day=2), 2)
    assert bench.states(made) == ["identical"] * 3


@pytest.mark.parametrize("restated", [False, True])
def test_a_chain_reads_its_predecessor_as_recorded(bench: Bench, *, restated: bool) -> None:
    """The first day of a run reads what was published then, a later one what the same run staged before it."""

    def add(window: Window, before: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
        total = (before["total"].sum() or 0) + readings["value"].sum()
        return pl.DataFrame({"reading_date": [window.day], "sensor": ["a"], "total": [total]})

    add.__annotations__ = {"window": Window, "before": pl.DataFrame, "readings": pl.DataFrame}
    table = bench.table("lab.running")
    made = bench.made(table, add, before=table.previous(), readings=bench.lab.table())
    bench.publish(made, 1)
    bench.publish(made, 2, 3)
    if restated:
        bench.lab.run(bench.lab.table(), bench.lab.rows(50), 1)
        bench.publish(made, 1)

    assert bench.lab.lakehouse.read(table)["total"].sort().to_list() == ([12, 18, 50] if restated else [6, 12, 18])
    assert bench.states(made) == ["identical"] * 3


def test_latest_inputs_and_tables_without_days(bench: Bench) -> None:
    """What is read as a whole is found as a whole, and a table without days is verified as one."""
    sensors = bench.lab.table("lab.sensors", partition=None)
    bench.lab.run(sensors, bench.lab.rows(5))

    def whole(sensors: pl.DataFrame) -> pl.DataFrame:
        return sensors.with_columns(pl.col("value") * 2)

    whole.__annotations__ = {"sensors": pl.DataFrame}
    made = bench.made(bench.lab.table("lab.doubled", partition=None), whole, sensors=sensors)
    bench.publish(made)
    assert bench.states(made) == ["identical"]
    (path,) = bench.lab.live("lab.sensors")[None].paths
    bench.lab.run(sensors, bench.lab.rows(6))
    assert bench.states(made) == ["identical"]
    Path(path).unlink()

    (found,) = bench.verify(made)
    assert found.state == "inputs-gone"
    assert found.reasons[0].startswith("lab.sensors: run ")


@dataclass
class Parcels:
    """A source that says which version it is of, and can change its mind."""

    mark: str = "one"
    value: int = 5
    name: str = "delivery"
    fields: tuple[Column, ...] = (Column("value", "int"),)

    def precheck(self, window: Window | None) -> Precheck:
        """Find nothing."""
        del window
        return Precheck()

    def complete(self, window: Window | None) -> Any:
        """Be complete."""
        raise NotImplementedError

    def count(self, window: Window | None) -> None:
        """Know nothing."""
        del window

    def version(self, window: Window | None) -> dict[str, str]:
        """Name the version, and the days it is of."""
        return {"mark": self.mark, "days": str(window)}

    def read(self, window: Window | None) -> Any:
        """Give one value for each day."""
        rows = pl.DataFrame({"reading_date": list(window.days), "value": [self.value] * len(window.days)})
        return Delivery(rows.with_columns(pl.col("value").cast(pl.Int32)).to_arrow().to_reader())


def test_sources_are_told_by_their_version(bench: Bench) -> None:
    """A source that says what it said of the run's days is read again; one that says something else is gone."""
    source = Parcels()

    def collect(delivery: pl.DataFrame) -> pl.DataFrame:
        return delivery.with_columns(sensor=pl.lit("a"))

    collect.__annotations__ = {"delivery": pl.DataFrame}
    made = bench.made(bench.lab.table("lab.collected"), collect, delivery=source)
    bench.publish(made, 1, 2)
    assert bench.states(made, 2) == ["identical"]
    source.mark = "two"

    (found,) = bench.verify(made, 2)
    assert found.state == "inputs-gone"
    assert found.reasons == ("delivery: source delivery is no longer as it was read: mark was one, is two",)


def test_code_that_changed_is_told_and_compared(bench: Bench, tmp_path: Path) -> None:
    """Today's code is what runs; that it is another than then is told, whatever comes out."""
    file = tmp_path / "totals.sql"
    file.write_text("SELECT reading_date, sensor, sum(value)::BIGINT AS total FROM readings GROUP BY ALL")
    table, readings = bench.table(), bench.lab.table()

    def declare() -> TableAsset:
        return table_assets([sql_table(table, "totals.sql", search_path=[tmp_path], readings=readings).key])[0]

    bench.publish(declare(), 1)
    assert bench.verify(declare())[0].notes == ()
    file.write_text(file.read_text().replace("sum(value)", "sum(value + 0)"))
    same = bench.verify(declare())[0]
    file.write_text(file.read_text().replace("sum(value + 0)", "max(value)"))
    other = bench.verify(declare())[0]

    assert (same.state, other.state) == ("identical", "differs")
    assert "the code has changed since" in same.notes[0]
    assert "the code has changed since" in other.notes[0]


def test_a_function_that_needs_an_order_failed(bench: Bench) -> None:
    """What only works on rows in the order in which they once came is told as that."""

    def needs_order(readings: pl.DataFrame) -> pl.DataFrame:
        if not readings["value"].is_sorted():
            message = "not sorted"
            raise ValueError(message)
        return add_up(readings)

    needs_order.__annotations__ = {"readings": pl.DataFrame}
    made = bench.made(bench.table(), needs_order, readings=bench.lab.table())
    bench.publish(made, 1)

    (found,) = bench.verify(made)
    assert found.state == "failed"
    assert "ValueError: not sorted" in found.reasons[0]
    assert found.reasons[1] == "it is made when the rows of its inputs come in the order in which they were read"


def test_what_cannot_be_made_today_failed(bench: Bench) -> None:
    """A function that raises, or needs Dagster's context, is told as such: nothing was compared."""

    def needs(context: Any, readings: pl.DataFrame) -> pl.DataFrame:
        if context is None and bench.lab.live("lab.totals"):
            message = "no context"
            raise ValueError(message)
        return add_up(readings)

    needs.__annotations__ = {"readings": pl.DataFrame}
    made = bench.made(bench.table(), needs, readings=bench.lab.table())
    bench.lab.lakehouse.lake.ensure(made.table)
    bench.publish(made, 1)

    (found,) = bench.verify(made)
    assert (found.state, found.difference) == ("failed", None)
    assert "ValueError: no context" in found.reasons[0]
    assert "takes Dagster's context" in found.reasons[1]
