"""A landed day of line items: the CSV file, its collection through the one path into `main`, and DuckDB's own copy."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from jobs import lineitem
from pyarrow import csv

from lakeproof import Lakehouse, LandingSource, Window
from lakeproof.engine.duck import DUCK_TYPES
from lakeproof.engine.function import FunctionMaker
from lakeproof.source.protocol import SourceReader
from lakeproof.wap import write_audit_publish
from lakeproof.work import Work, base_of

if TYPE_CHECKING:
    from lakeproof.outcome import Outcome

FILE = f"{lineitem.DAY}/lineitem.csv"


def make(data: str, folder: str) -> dict[str, Any]:
    """Land the line items as one CSV file, text between quotes as most writers have it; nothing when it is there."""
    target = Path(folder) / FILE
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        with csv.CSVWriter(
            part, lineitem.load(data).schema, write_options=csv.WriteOptions(quoting_header="none")
        ) as out:
            out.write_table(lineitem.load(data))
        shutil.move(part, target)
    return {"bytes": target.stat().st_size}


def collect(home: str, folder: str, rows: int) -> dict[str, Any]:
    """Collect the day: read, stage, audit, publish."""
    table, lake = lineitem.contract(unique=False), Lakehouse(home=home).lake
    lake.ensure(table)
    source = LandingSource("{ds}/*.csv", lineitem.COLUMNS, root=folder, settle=timedelta(0))
    began = time.monotonic()
    outcome = _run(lake, table, source)
    seconds = time.monotonic() - began
    published = sum(day.rows for day in outcome.of("published"))
    if published != rows:
        msg = f"published {published:,} rows of {rows:,}"
        raise RuntimeError(msg)
    return {"seconds": seconds, "steps": dict(outcome.seconds)}


def _run(lake: Any, table: Any, source: LandingSource) -> Outcome:
    def take(landed: pa.RecordBatchReader) -> pa.RecordBatchReader:
        return landed

    window, days = Window.of(lineitem.DAY), (lineitem.DAY,)
    maker = FunctionMaker(take, {"landed": pa.RecordBatchReader})
    readers = {"landed": SourceReader(source, window)}
    return write_audit_publish(
        lake, Work(table=table, maker=maker, readers=readers, days=days, base=base_of(lake, table, days))
    )


def copy(folder: str, target: str, rows: int) -> dict[str, Any]:
    """Let DuckDB write the same Parquet from the same CSV, its types told and nothing judged."""
    types = ", ".join(f"{c.name}: '{DUCK_TYPES.get(c.type, c.type)}'" for c in lineitem.COLUMNS)
    read = f"read_csv('{Path(folder) / FILE}', header = true, columns = {{{types}}})"
    options = f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {lineitem.LEVEL}"
    with duckdb.connect() as connection:
        began = time.monotonic()
        connection.execute(f"COPY (FROM {read}) TO '{target}' ({options})")
        seconds = time.monotonic() - began
    if (found := pq.read_metadata(target).num_rows) != rows:
        msg = f"wrote {found:,} rows of {rows:,}"
        raise RuntimeError(msg)
    return {"seconds": seconds}
