"""docs/readers.md is true: its blocks run as they stand, and every engine reads the same rows, to the last bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from all_types import (
    AFTER,
    BESIDE,
    CLOCKS,
    EMPTY,
    HELD,
    KEPT,
    LATER,
    OF_CLOCKS,
    OUTPUT,
    PLAIN,
    STAGED,
    TABLE,
    Row,
    contract,
)
from canonical import canonical_rows
from readers_page import SNAPSHOT, Block, of_language, sections
from trino_server import ask

from lakeproof.engine.duck import connect
from lakeproof.lake.files import list_files
from lakeproof.lake.held import held_days
from lakeproof.lake.live import View
from lakeproof.outputs.beside import sides_of
from lakeproof.outputs.statement import union_of
from lakeproof.reading import read_table

if TYPE_CHECKING:
    from conftest import Published

HERE = Path(__file__).parent
VENV = HERE.parents[1] / ".venv"
PYTHONS = {
    "trino": VENV / "readers" / "bin" / "python",
    "spark": VENV / "spark" / "bin" / "python",
    "duckdb": VENV / "readers" / "bin" / "python",
    "polars": sys.executable,
    "pyiceberg": sys.executable,
}
TITLES = {"trino": "Trino", "spark": "Spark SQL", "duckdb": "DuckDB", "polars": "Polars", "pyiceberg": "PyIceberg"}
IN_POSTGRES = "With the catalog in Postgres"
TABLES = {TABLE: AFTER, CLOCKS: OF_CLOCKS}

ANSWERS = {
    "trino": ["main", "branch", "snapshots", "first"],
    "spark": ["main", "branch", "snapshots", "first"],
    "duckdb": ["main", "snapshots", "first", "candidate"],
    "polars": ["main", "branch", "candidate"],
    "pyiceberg": ["main", "branch", "first", "candidate"],
}
"""What the blocks of each section are about, after the one that opens the lake."""

NO_TIME = "Spark does not support time fields"


def blocks_of(engine: str) -> list[Block]:
    """Return what the page says of an engine, but for what configures its server."""
    blocks = [block for block in sections()[TITLES[engine]] if block[0] in {"python", "sql"}]
    return [sections()["Polars"][0], *blocks] if engine == "pyiceberg" else blocks


def read(
    engine: str, blocks: list[Block], published: Published, tables: dict[str, dict[str, str]], **environment: str
) -> dict[str, Any]:
    """Run blocks of the page in an engine, and return what each says, and the rows of tables."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("AWS", "PG", "PYICEBERG"))}
    jars = ",".join(map(str, sorted((VENV / "spark" / "jars").glob("*.jar"))))
    spark = {"PYSPARK_SUBMIT_ARGS": f"--master local[1] --jars {jars} pyspark-shell", "SPARK_LOCAL_IP": "127.0.0.1"}
    told = [(language, text.replace(SNAPSHOT, str(published.snapshots[0]))) for language, text in blocks]
    done = subprocess.run(
        [PYTHONS[engine], HERE / "engine_reads.py", engine],
        input=json.dumps({"blocks": told, "tables": tables}),
        env={**known, **spark, **published.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def counts(rows: list[Row]) -> list[list[str]]:
    """Return the days of rows and how many rows each has, as the page's statements tell them."""
    days = [str(row["day"]) for row in rows]
    return [[day, str(days.count(day))] for day in sorted(set(days))]


def union(published: Published, engine: str) -> Block:
    """Return the statement that `lakeproof compare --sql` prints for the output, counted by side and day."""
    both = union_of(sides_of(published.catalog.lake(), OUTPUT, TABLE), engine)
    return "sql", f"SELECT table_type, day, count(*) FROM ({both}) AS both GROUP BY 1, 2 ORDER BY 1, 2"  # noqa: S608


def answers(published: Published) -> dict[str, list[list[str]]]:
    """Return what a block must say, by what it is about."""
    first = [row for row in published.main if row["day"] == PLAIN]
    return {
        "main": counts(published.main),
        "branch": counts(published.branch),
        "first": counts(first),
        "candidate": counts(published.candidate),
        "union": [
            *(["new", *day] for day in counts(published.branch) if day[0] >= str(LATER)),
            *(["old", *day] for day in counts(published.main) if day[0] >= str(LATER)),
        ],
    }


def test_there_are_days_that_readers_must_not_see(rest: Published) -> None:
    """Or else nothing is shown by what readers do not see."""
    table = rest.catalog.stored(TABLE)
    staged = [file.name for file in list_files(table.io, f"{table.location()}/data/day={STAGED}")]

    assert rest.killed == -signal.SIGKILL
    assert [name.endswith(".parquet") for name in staged] == [True]
    assert {HELD, KEPT} == held_days(table, View.of(table).days).keys()
    assert {row["day"] for row in rest.main}.isdisjoint({EMPTY, HELD, STAGED, BESIDE})
    assert {row["day"] for row in rest.branch} - {row["day"] for row in rest.main} == {BESIDE}


@pytest.mark.parametrize("engine", TITLES)
def test_an_engine_reads_what_was_published(rest: Published, server: int, engine: str) -> None:
    """Every block of its section says what it should, and all rows are those that were handed over, bit for bit."""
    unions = [union(rest, engine)] if engine in {"spark", "trino"} else []

    found = read(engine, [*blocks_of(engine), *unions], rest, TABLES, TRINO_PORT=str(server))

    wanted = answers(rest)
    for what, days in zip([*ANSWERS[engine], *(["union"] * len(unions))], found["days"], strict=True):
        if what == "snapshots":
            assert [int(snapshot) for snapshot, _ in days] == rest.snapshots
        else:
            assert days == wanted[what], what
    assert found["tables"][TABLE] == canonical_rows(AFTER, rest.main)
    assert found["tables"][CLOCKS] == (NO_TIME if engine == "spark" else canonical_rows(OF_CLOCKS, rest.clocks))


def test_lakeproof_reads_the_same(rest: Published) -> None:
    """By the DuckDB that it makes and audits rows with."""
    rows = read_table(rest.catalog.lake(), contract(TABLE, AFTER)).relation(connect()).select(*AFTER).to_arrow_table()

    assert canonical_rows(AFTER, rows.to_pylist()) == canonical_rows(AFTER, rest.main)


def test_spark_reads_a_catalog_in_postgres(postgres: Published) -> None:
    """And a held day by the path of its candidate."""
    opening, candidate = (block for block in sections()[IN_POSTGRES] if block[0] == "python")

    found = read("spark", [opening, blocks_of("spark")[1], candidate], postgres, {TABLE: AFTER})

    wanted = answers(postgres)
    assert found["days"] == [wanted["main"], wanted["candidate"]]
    assert found["tables"][TABLE] == canonical_rows(AFTER, postgres.main)


def test_trino_reads_a_catalog_in_postgres(postgres: Published, server: int) -> None:
    """The same rows again, under the name of the other catalog."""
    name = f"postgres.{TABLE}"

    found = read("trino", blocks_of("trino")[:1], postgres, {name: AFTER}, TRINO_PORT=str(server))

    assert found["tables"][name] == canonical_rows(AFTER, postgres.main)


@pytest.mark.parametrize("statement", of_language("Athena", "sql"))
def test_a_statement_for_athena_is_one(rest: Published, server: int, statement: str) -> None:
    """As far as it can be known without Athena."""
    asked = statement.replace(SNAPSHOT, str(rest.snapshots[0]))

    sqlglot.parse_one(asked, read="athena")
    rows = ask(server, asked, catalog="lake")
    assert rows
    assert "snapshots" in statement or all([day, str(number)] in counts(rest.main) for day, number in rows)


def test_trino_refuses_to_write(rest: Published, server: int) -> None:
    """As the page's configuration has it."""
    with pytest.raises(ValueError, match="Access Denied"):
        ask(server, f"DELETE FROM {TABLE} WHERE day = DATE '{PLAIN}'", catalog="lake")  # noqa: S608

    assert ask(server, f"SELECT count(*) FROM {TABLE}", catalog="lake") == [[len(rest.main)]]  # noqa: S608
