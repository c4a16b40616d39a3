"""One plan of audits, two engines: Spark and DuckDB say the same of the same rows, whatever is in them."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from lakeproof import Column, Lakehouse, Table, audit, daily_table, spark_table
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.held import held_days
from lakeproof.testing import given

if TYPE_CHECKING:
    from lakeproof.spark.process import SparkConnect

DAYS = [date(2024, 1, number) for number in (1, 2, 3)]
JOBS = Path(__file__).parent / "jobs"
COLUMNS = [
    Column("day", "date"),
    Column("number", "long"),
    Column("value", "double"),
    Column("word", "string"),
    Column("local", "timestamp"),
    Column("instant", "timestamptz"),
    Column("amount", "decimal(10, 2)"),
    Column("flag", "boolean"),
    Column("raw", "binary"),
    Column("small", "int"),
    Column("ratio", "float"),
]
WORDS = Table(
    "lab.words",
    columns=[Column("word", "string")],
    partition=None,
    layer="collection",
    key=["word"],
    owner="team:lab",
    audits=[audit.row_count(at_least=1)],
)
AUDITS = [
    audit.not_null("number"),
    audit.unique(),
    audit.unique("word", name="unique_words", severity="warn"),
    audit.between("value", 0, 100),
    audit.between("day", "2024-01-01", "2024-01-02"),
    audit.row_count(at_least=1),
    audit.accepted_values("word", ["a", "b", "it's"]),
    audit.matches("word", r"[a-z\d]+"),
    audit.references("word", WORDS, "word"),
    audit.sql("number_and_value", "number > 0 and value is not null"),
    audit.sql("no_number", "not isnan(value)"),
    audit.sql("text", "not (word like 'a%' and length(word) > 1)"),
    audit.sql("parts", "extract(hour from local) between 6 and 18 and strftime(day, '%Y') = '2024'"),
    audit.sql_result("mean_by_count", "avg(value) / count(*)", at_least=0),
    audit.sql_result("by_zero", "sum(number) / (count(*) - count(*))", at_least=0),
    audit.sql_result("span", "max(date_diff('day', date '2013-01-01', day)) + quantile_cont(number, 0.5)", at_least=0),
    audit.sql_result("total", "sum(amount)", at_least=0),
    audit.sql_result("share", "count(*) filter (where flag) / count(*)", at_least=0.9),
    audit.duplicates(),
    audit.missing_numbers("number"),
    audit.missing_hours("local"),
    audit.missing_hours("instant"),
    audit.late("local", "local", after=timedelta(hours=1)),
    audit.volume(within=0.5),
    audit.new_nulls(),
]


def declared(name: str) -> Table:
    """Return the table under one of two names."""
    return Table(
        name,
        columns=COLUMNS,
        partition="day",
        start="2024-01-01",
        layer="analysis",
        key=["number", "word"],
        owner="team:lab",
        audits=AUDITS,
    )


def hostile_rows(seed: int) -> list[tuple[Any, ...]]:
    """Return rows with nulls, copies, signed zeros, what is no number, line feeds and quotes."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    rows = []
    for _ in range(400):
        day = draw.choice(DAYS)
        at = datetime(day.year, day.month, day.day, draw.randrange(20), draw.randrange(60), 0, draw.randrange(10**6))  # noqa: DTZ001 - local
        rows.append(
            (
                day,
                draw.choice([None, *range(-1, 40)]),
                draw.choice([None, float("nan"), -1.0, 0.0, -0.0, draw.random() * 90]),
                draw.choice([None, "a", "b", "ab", "x\n", "ü", "a1", "", "it's", "back\\slash"]),
                at,
                at.replace(tzinfo=UTC),
                draw.choice([None, Decimal("1.25"), Decimal("-3.10")]),
                draw.choice([None, True, False]),
                draw.choice([None, b"", b"\x00\xff"]),
                draw.choice([None, 7]),
                draw.choice([None, 0.5]),
            )
        )
    return rows + rows[:7]


def told(lakehouse: Lakehouse, name: str) -> dict[str, Any]:
    """Return what the evidence says that each audit found of each day, and how it names the rows at fault."""
    table = lakehouse.catalog.load_table(name)
    stage = held_days(table, {})[DAYS[0]]
    record = read_evidence(table, stage.run)
    assert record is not None
    found = {}
    for day, entry in record["days"].items():
        for result in entry["audits"]:
            numbers = {key: result[key] for key in ("passed", "failed", "total", "error")}
            measured = result["measured"]
            numbers["measured"] = measured if measured is None else f"{float(measured):.9g}"
            numbers["shown"] = len(result["sample"])
            found[f"{day} {result['audit']}"] = numbers
    return found


def test_spark_and_duckdb_find_the_same(connect: SparkConnect) -> None:
    """Every kind of audit, over rows that try to be judged in two ways."""
    lakehouse = Lakehouse.in_memory()
    raw = declared("lab.raw")
    given(lakehouse, WORDS, [{"word": "a"}, {"word": "ü"}])
    given(
        lakehouse,
        raw,
        pl.DataFrame(
            hostile_rows(1), schema=[c.name for c in COLUMNS], orient="row", infer_schema_length=None
        ).with_columns(
            pl.col("small").cast(pl.Int32), pl.col("ratio").cast(pl.Float32), pl.col("amount").cast(pl.Decimal(10, 2))
        ),
    )

    @daily_table(declared("lab.here"), raw=raw)
    def here(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw

    there = spark_table(declared("lab.there"), "as_they_are.py", search_path=[JOBS], raw=raw, launcher=connect)
    tags = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-03"}
    for asset in (here, there):
        done = dg.materialize_to_memory([asset], resources={"lakehouse": lakehouse}, tags=tags, raise_on_error=False)
        assert not done.success

    of_duckdb, of_spark = told(lakehouse, "lab.here"), told(lakehouse, "lab.there")

    assert of_spark == of_duckdb
    assert len(of_duckdb) == len(DAYS) * (len(AUDITS) + 1)
    assert sum(not found["passed"] for found in of_duckdb.values()) > 30
    assert not any(found["error"] for found in of_duckdb.values())
