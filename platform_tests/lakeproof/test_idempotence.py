"""Whatever lets the same inputs give another content is found, before a publish and after it."""

from __future__ import annotations

import random
import sys
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import duckdb  # noqa: TC002 - Lakeproof reads the annotations
import polars as pl
import pytest
import time_machine

from lakeproof import Column, Window, audit, daily_table, sql_table
from lakeproof.asset import table_assets
from lakeproof.errors import UsageError
from lakeproof.testing import assert_idempotent
from lakeproof.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AUDITS = [audit.row_count(at_least=0)]
COLUMNS = [Column("reading_date", "date"), Column("sensor", "string"), Column("number", "long")]


def first_of_each(readings: pl.DataFrame) -> pl.DataFrame:
    """Take whatever row comes first."""
    return readings.group_by("reading_date", "sensor").agg(number=pl.col("value").first().cast(pl.Int64))


def fan_out(readings: pl.DataFrame) -> pl.DataFrame:
    """Join each sensor with all its readings, and keep one of them."""
    sensors = readings.select("reading_date", "sensor").unique()
    joined = sensors.join(readings, on=["reading_date", "sensor"]).unique("sensor", keep="first", maintain_order=True)
    return joined.select("reading_date", "sensor", number=pl.col("value").cast(pl.Int64))


def now(readings: pl.DataFrame) -> pl.DataFrame:
    """Say when it was made."""
    return last(readings, int(datetime.now(UTC).timestamp() * 1000))


def seconds(readings: pl.DataFrame) -> pl.DataFrame:
    """Say when it was made, by another clock."""
    return last(readings, time.time_ns())


def local_hour(readings: pl.DataFrame) -> pl.DataFrame:
    """Tell an instant by the clock on the wall."""
    return last(readings, datetime.fromtimestamp(1_400_000_000).hour)  # noqa: DTZ006 - the fault that is to be found


def chance(readings: pl.DataFrame) -> pl.DataFrame:
    """Draw lots."""
    return last(readings, random.randrange(10**12))  # noqa: S311 - the fault that is to be found


def sample(readings: pl.DataFrame) -> pl.DataFrame:
    """Take a few rows by chance."""
    return last(readings, (readings.sample(20)["value"].cast(pl.Int64) ** 5).sum())


def duck_today(readings: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Let DuckDB look at the clock."""
    today = "SELECT reading_date, sensor, max(epoch_ms(current_date::TIMESTAMP)) AS number FROM r GROUP BY ALL"
    return readings.query("r", today)


def last(readings: pl.DataFrame, number: int) -> pl.DataFrame:
    """Give a number a sensor."""
    return readings.select("reading_date", "sensor").unique().with_columns(number=pl.lit(number, pl.Int64))


def good(window: Window, readings: pl.DataFrame) -> pl.DataFrame:
    """Depend on the inputs alone."""
    assert window.days
    return readings.group_by("reading_date", "sensor").agg(number=pl.col("value").cast(pl.Int64).sum())


FAULTS = [
    (first_of_each, "the order of its inputs' rows"),
    (fan_out, "the order of its inputs' rows"),
    (now, "looks at a clock"),
    (seconds, "looks at a clock"),
    (local_hour, "the zone of the process"),
    (chance, "not by chance"),
    (sample, "not by chance"),
    (duck_today, "looks at a clock"),
]


@pytest.fixture
def lab(lab: Any) -> Any:
    """Return the lab with readings of a day: a hundred values of one sensor."""
    lab.run(lab.table(), lab.rows(*range(100)), 1)
    return lab


def declare(lab: Any, function: Callable[..., Any], *columns: Column) -> Any:
    """Declare a table that a function makes of the readings."""
    table = lab.table("lab.made", columns=[*(columns or COLUMNS)], key=["reading_date", "sensor"], audits=AUDITS)
    return daily_table(table, readings=lab.table())(function)


@pytest.mark.parametrize(("function", "why"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_depends_on_more_than_its_inputs_is_found(
    lab: Any, publish: Any, function: Callable[..., Any], why: str
) -> None:
    """The failure names table, day, both conditions, the column, the key and both values, and what to do.

    What is published all the same is found by verify: the day is not what its inputs make. Only the zone of the process
    is the same as it was.
    """
    asset = declare(lab, function)
    with pytest.raises(AssertionError) as failure:
        assert_idempotent(asset, lab.day(1), lakehouse=lab.lakehouse)

    message = str(failure.value)
    assert message.startswith("lab.made 2024-01-01 is not idempotent: ")
    assert why in message
    assert "clock 2001-02-03T04:05:06+00:00, zone UTC, rows as stored" in message
    assert "first: at reading_date 2024-01-01, sensor a: number was " in message

    (made,) = table_assets([asset.key])
    publish(lab.lakehouse, made, [lab.day(1)])
    (found,) = verify(lab.lakehouse.lake, made)
    if function is local_hour:
        assert found.state == "identical"
        return
    assert found.state == "differs"
    assert found.difference.columns == {"number": 1}
    order = "it is identical when the rows of its inputs come in the order in which they were read"
    assert (order in found.reasons) is ("order" in why)
    assert ("made twice in a row" in str(found.reasons)) is (function in {now, seconds, chance, sample})


def test_what_depends_on_its_inputs_alone_passes(lab: Any) -> None:
    """A good function is called nine times, by its asset or its table, and nothing of it is published."""
    asset = declare(lab, good)
    assert_idempotent(asset, "2024-01-01", lakehouse=lab.lakehouse)
    assert_idempotent(table_assets([asset.key])[0].table, lab.day(1), lakehouse=lab.lakehouse)

    assert lab.lakehouse.lake.find("lab.made") is None


@pytest.mark.parametrize("digits", [None, 3])
def test_a_sum_of_doubles_needs_digits(lab: Any, publish: Any, digits: int | None) -> None:
    """Its last places depend on the order in which it adds up; rounded to declared digits, they do not."""

    def mean(readings: pl.DataFrame) -> pl.DataFrame:
        return readings.group_by("reading_date", "sensor").agg(mean=(pl.col("value").sin() * 1e8).sum())

    mean.__annotations__ = {"readings": pl.DataFrame}
    asset = declare(lab, mean, *COLUMNS[:2], Column("mean", "double", digits=digits))
    (made,) = table_assets([asset.key])
    publish(lab.lakehouse, made, [lab.day(1)])

    if digits is None:
        with pytest.raises(AssertionError, match="declare digits= on sums of doubles"):
            assert_idempotent(asset, lab.day(1), lakehouse=lab.lakehouse)
        assert [day.state for day in verify(lab.lakehouse.lake, made)] == ["differs"]
    else:
        assert_idempotent(asset, lab.day(1), lakehouse=lab.lakehouse)
        assert [day.state for day in verify(lab.lakehouse.lake, made)] == ["identical"]


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("sum(value / 7)", "mean is a double that is added up"),
        ("max(value) + epoch(now())", "made.sql:1: calls now"),
        ("max(value) + epoch(localtimestamp)", "made.sql:1: calls localtimestamp"),
        ("max(value + random())", "made.sql:1: calls random"),
        ("max(value)", None),
        ("count(*) / count(value)", None),
    ],
)
def test_sql_is_read_for_what_can_differ(
    lab: Any, publish: Any, tmp_path: Path, expression: str, fault: str | None
) -> None:
    """A statement shows its clocks, its chance and its sums, through subqueries too; verify notes them in any case."""
    inner = f"SELECT reading_date, sensor, {expression} AS total FROM readings GROUP BY ALL"  # noqa: S608 - of this test
    statement = f"WITH inner_ AS ({inner}) SELECT reading_date, sensor, total / 2 AS mean FROM inner_"  # noqa: S608 - as above
    (tmp_path / "made.sql").write_text(statement)
    columns = [*COLUMNS[:2], Column("mean", "double")]
    table = lab.table("lab.made", columns=columns, key=["reading_date", "sensor"], audits=AUDITS)
    asset = sql_table(table, "made.sql", search_path=[tmp_path], readings=lab.table())

    (made,) = table_assets([asset.key])
    publish(lab.lakehouse, made, [lab.day(1)])
    (found,) = verify(lab.lakehouse.lake, made)

    if fault is None:
        assert_idempotent(asset, lab.day(1), lakehouse=lab.lakehouse)
        assert (found.state, found.notes) == ("identical", ())
    else:
        with pytest.raises(AssertionError, match=fault):
            assert_idempotent(asset, lab.day(1), lakehouse=lab.lakehouse)
        assert fault in found.notes[0]


def test_a_proof_needs_rows(lab: Any) -> None:
    """Inputs that are not there, or a day of no rows, prove nothing, and say so."""
    asset = declare(lab, good)
    with pytest.raises(UsageError, match=r"nothing of its input readings \(lab.readings\) is published"):
        assert_idempotent(asset, lab.day(2), lakehouse=lab.lakehouse)
    lab.run(lab.table(allow_empty=True), lab.rows(), 2)
    with pytest.raises(AssertionError, match="no row was made, so nothing is proved"):
        assert_idempotent(asset, lab.day(2), lakehouse=lab.lakehouse)
    with pytest.raises(UsageError, match="say which day"):
        assert_idempotent(asset, lakehouse=lab.lakehouse)


def test_the_extra_is_named_when_it_is_missing(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without time-machine the error says what to install."""
    monkeypatch.setitem(sys.modules, "time_machine", None)

    with pytest.raises(UsageError, match=r"lakeproof\[testing\]"):
        assert_idempotent(declare(lab, good), lab.day(1), lakehouse=lab.lakehouse)


def test_a_day_made_by_a_clock_differs_on_another_day(lab: Any, publish: Any) -> None:
    """What only tells the date is the same all day long, and found by who verifies on another."""

    def today(readings: pl.DataFrame) -> pl.DataFrame:
        return last(readings, date.today().toordinal())  # noqa: DTZ011 - the fault that is to be found

    today.__annotations__ = {"readings": pl.DataFrame}
    with time_machine.travel(datetime(2024, 1, 2, tzinfo=UTC)):
        (made,) = table_assets([declare(lab, today).key])
        publish(lab.lakehouse, made, [lab.day(1)])

    assert [day.state for day in verify(lab.lakehouse.lake, made)] == ["differs"]
