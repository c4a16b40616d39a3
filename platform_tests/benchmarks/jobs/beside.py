"""Two versions of line items compared; a year compared of which three days differ; promotions; runs to an output."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from jobs import lineitem
from jobs.growth import readings
from jobs.publish import run_days

from lakeproof import Lakehouse
from lakeproof.engine.duck import connect, quoted
from lakeproof.lake.live import View
from lakeproof.lake.output import OutputTable
from lakeproof.outputs.compare import How, compare
from lakeproof.outputs.compared import remember, sides
from lakeproof.outputs.plan import plan
from lakeproof.outputs.promoting import begin, go_on
from lakeproof.outputs.sides import open_files, open_side, own_days

if TYPE_CHECKING:
    from datetime import date

    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake

OUTPUT = "other"
KEY = ("l_orderkey", "l_linenumber")
CHANGED_ONE_IN = 100
FIRST = readings("x").first_day


def versions(data: str, rows: int, folder: str) -> dict[str, Any]:
    """Write two versions of so many line items as Parquet; one row in a hundred has another price and comment."""
    target = Path(folder)
    if not (target / "new.parquet").exists():
        target.mkdir(parents=True, exist_ok=True)
        connection = connect()
        connection.register("items", lineitem.stream(data, rows))
        changed = f"l_orderkey % {CHANGED_ONE_IN} = 0"
        for name, select in (
            ("old", "SELECT * FROM items"),
            (
                "new",
                (
                    f"SELECT * REPLACE (CASE WHEN {changed} THEN l_extendedprice + 1 ELSE l_extendedprice END AS "  # noqa: S608 - our own
                    f"l_extendedprice, CASE WHEN {changed} THEN 'changed' ELSE l_comment END AS l_comment) FROM "
                    f"read_parquet('{target / 'old.parquet'}')"
                ),
            ),
        ):
            where = quoted(str(target / f"{name}.part"), text=True)
            connection.execute(f"COPY ({select}) TO {where} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3)")
            (target / f"{name}.part").rename(target / f"{name}.parquet")
    return {}


def ours(folder: str) -> dict[str, Any]:
    """Compare the two versions."""
    began = time.monotonic()
    old, new = (open_files(f"{folder}/{name}.parquet") for name in ("old", "new"))
    found = compare("line items", old, new, How(key=KEY))
    return {"seconds": time.monotonic() - began, "changed": found.changed, "unchanged": found.unchanged}


def bare(folder: str) -> dict[str, Any]:
    """Join the two versions in DuckDB as one would by hand, and count what differs in any column."""
    began = time.monotonic()
    connection = connect()
    rest = [column.name for column in lineitem.COLUMNS if column.name not in KEY]
    differs = " OR ".join(f"o.{name} IS DISTINCT FROM n.{name}" for name in rest)
    old, new = (quoted(f"{folder}/{name}.parquet", text=True) for name in ("old", "new"))
    counts = connection.execute(
        "SELECT count(*) FILTER (o.l_orderkey IS NULL), count(*) FILTER (n.l_orderkey IS NULL), "  # noqa: S608 - our own
        f"count(*) FILTER (o.l_orderkey IS NOT NULL AND n.l_orderkey IS NOT NULL AND ({differs})) "
        f"FROM read_parquet({old}) o FULL JOIN read_parquet({new}) n USING ({', '.join(KEY)})"
    ).fetchall()[0]
    return {"seconds": time.monotonic() - began, "changed": counts[2]}


def year(home: str, data: str, days: int, changed: int, rounds: int) -> dict[str, Any]:
    """Publish days, and all of them to an output, of which the first few differ; compare all, and those few alone."""
    lakehouse, table, listed = Lakehouse(home=home), lineitem.contract(unique=False), lineitem.days_of(days)
    rows = lineitem.spread(lineitem.load(data), days)
    run_days(lakehouse.lake, table, listed, lambda: rows)
    other = _changed(rows, listed[changed - 1])
    run_days(lakehouse.lake.on(OUTPUT), table, listed, lambda: other)
    taken: dict[str, list[float]] = {"all": [], "few": []}
    read = 0
    for _ in range(rounds):
        for name, last in (("all", listed[-1]), ("few", listed[changed - 1])):
            began = time.monotonic()
            old = open_side(lakehouse.lake, table.name, "main").only(listed[0], last)
            new = own_days(open_side(lakehouse.lake.on(OUTPUT), table.name, OUTPUT)).only(listed[0], last)
            found = compare(table.name, old, new, How())
            taken[name].append(time.monotonic() - began)
            read = found.read_rows
    return {"seconds": taken, "read": read, "rows": len(rows)}


def _changed(rows: pa.Table, last: date) -> pa.Table:
    """Return the rows with other comments up to a day."""
    connection = connect()
    connection.register("items", rows)
    until = f"l_receiptdate <= DATE '{last}' AND l_orderkey % {CHANGED_ONE_IN} = 0"
    changed = f"SELECT * REPLACE (CASE WHEN {until} THEN 'changed' ELSE l_comment END AS l_comment) FROM items"  # noqa: S608 - our own
    return connection.sql(changed).to_arrow_table()


def promoted(home: str, days: int, rows: int) -> dict[str, Any]:
    """Promote days of an output, a file of so many rows each, in one commit; main has none of them yet."""
    lake, table = Lakehouse(home=home).lake, readings("promoted")
    listed = [FIRST + timedelta(days=n) for n in range(days)]
    value = pa.array(random.Random(1).choices(range(10), k=rows), pa.int64())  # noqa: S311 - no secret
    batches = (pa.record_batch({"day": pa.array([day] * rows, pa.date32()), "value": value}) for day in listed)
    made = pa.RecordBatchReader.from_batches(pa.schema([("day", pa.date32()), ("value", pa.int64())]), batches)
    run_days(lake.on(OUTPUT), table, listed, lambda: made)
    main = lake.find(table.name)
    if main is None:
        msg = "the table was not made"
        raise RuntimeError(msg)
    at = OutputTable.of(main, OUTPUT)
    remember(at, sides(at))
    began = time.monotonic()
    promotion = begin(lake, plan(lake, OUTPUT, [table]))
    moved = [gone for _, gone in go_on(lake, promotion, [table])]
    seconds = time.monotonic() - began
    live = View.open(lake, table).days
    size = sum(of_day.bytes for of_day in live.values())
    return {"seconds": seconds, "days": len(live), "bytes": size, "moved": sum(map(len, moved))}


def runs(home: str, data: str, rounds: int) -> dict[str, Any]:
    """Publish the same day of line items to main and to an output, in turns, each time with other rows."""
    lake, table, rows = Lakehouse(home=home).lake, lineitem.contract(unique=False), lineitem.load(data)
    taken: dict[str, list[float]] = {"main": [], "output": []}
    for number in range(rounds + 1):
        for name, where in (("main", lake), ("output", lake.on(OUTPUT))):
            made = rows.slice(number if name == "main" else number + rounds + 1)
            began = time.monotonic()
            _run(where, table, made)
            if number:
                taken[name].append(time.monotonic() - began)
    return {"seconds": taken}


def _run(lake: Lake, table: Table, rows: pa.Table) -> None:
    run_days(lake, table, [lineitem.DAY], lambda: rows)
