"""TPC-H line items: the data, made once, and the contract of the table they go into."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakeproof import Column, Table, audit

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = date(2024, 1, 1)
DAYS = 365
ROWS_A_SCALE = 6_000_000
BATCH_ROWS = 122_880
LEVEL = 3
"""The zstd level of the contract and of every bare writer: libraries differ in what they take when none is given."""


COLUMNS = [
    Column("l_orderkey", "long"),
    Column("l_partkey", "long"),
    Column("l_suppkey", "long"),
    Column("l_linenumber", "int"),
    Column("l_quantity", "decimal(15, 2)"),
    Column("l_extendedprice", "decimal(15, 2)"),
    Column("l_discount", "decimal(15, 2)"),
    Column("l_tax", "decimal(15, 2)"),
    Column("l_returnflag", "string"),
    Column("l_linestatus", "string"),
    Column("l_shipdate", "date"),
    Column("l_commitdate", "date"),
    Column("l_receiptdate", "date"),
    Column("l_shipinstruct", "string"),
    Column("l_shipmode", "string"),
    Column("l_comment", "string"),
]
KEY = ["l_receiptdate", "l_orderkey", "l_linenumber"]
AUDITS = [
    audit.not_null("l_orderkey", "l_partkey", "l_suppkey", "l_linenumber"),
    audit.row_count(at_least=1),
    audit.accepted_values("l_returnflag", ["A", "N", "R"]),
    audit.accepted_values("l_shipmode", ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]),
    audit.between("l_quantity", 1, 50),
    audit.between("l_discount", 0, 0.1),
    audit.sql("price_of_a_part", "l_extendedprice between 900 * l_quantity and 2100 * l_quantity"),
    audit.sql("open_after_the_current_date", "(l_linestatus = 'O') = (l_shipdate > date '1995-06-17')"),
]
"""Eight conditions that TPC-H's own specification promises, so that every day passes."""


def contract(*, unique: bool) -> Table:
    """Return the table: a line item belongs to the day on which it was received."""
    return Table(
        "bench.lineitem",
        columns=COLUMNS,
        partition="l_receiptdate",
        layer="benchmarks",
        start=DAY,
        owner="team:benchmarks",
        key=KEY,
        audits=[*AUDITS, audit.unique()] if unique else AUDITS,
        properties={"write.parquet.compression-codec": "zstd", "write.parquet.compression-level": str(LEVEL)},
    )


def make(rows: int, path: str) -> dict[str, Any]:
    """Write line items, all received on one day, as an Arrow file; nothing when it is there."""
    if Path(path).exists():
        return {"rows": rows}
    with tempfile.TemporaryDirectory() as folder:
        generator = Path(sys.executable).parent / "tpchgen-cli"
        # A little more than asked for: TPC-H draws how many items an order has.
        scale = f"{rows / ROWS_A_SCALE * 1.02 + 0.001:.5f}"
        subprocess.run(
            [generator, "parquet", "-s", scale, "-T", "lineitem", "-o", folder, "--quiet"], check=True, timeout=600
        )
        table = pq.read_table(Path(folder) / "lineitem.parquet").slice(0, rows)
    fields = [pa.field(f.name, pa.string() if f.type == pa.string_view() else f.type) for f in table.schema]
    table = table.cast(pa.schema(fields))
    received = pa.repeat(pa.scalar(DAY, pa.date32()), rows)
    table = table.set_column(table.schema.get_field_index("l_receiptdate"), "l_receiptdate", received)
    if len(table) != rows:
        msg = f"tpchgen-cli made {len(table):,} rows of {rows:,}"
        raise RuntimeError(msg)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    part = f"{path}.part"
    with pa.ipc.new_file(part, table.schema) as out:
        out.write_table(table.combine_chunks(), max_chunksize=BATCH_ROWS)
    shutil.move(part, path)
    return {"rows": rows}


def load(path: str) -> pa.Table:
    """Return the line items, in memory of this process's own."""
    with pa.OSFile(path) as file, pa.ipc.open_file(file) as reader:
        return reader.read_all()


def stream(path: str, rows: int) -> pa.RecordBatchReader:
    """Return as many line items as asked for, a batch at a time: the file again and again, its order keys shifted."""

    def batches() -> Iterator[pa.RecordBatch]:
        left, shift = rows, 0
        while left:
            last = 0
            with pa.OSFile(path) as file, pa.ipc.open_file(file) as reader:
                for number in range(reader.num_record_batches):
                    batch = reader.get_batch(number).slice(0, left)
                    left -= batch.num_rows
                    keys = pc.add(batch.column("l_orderkey"), shift)
                    last = max(last, pc.max(keys).as_py())
                    yield batch.set_column(0, "l_orderkey", keys)
                    if not left:
                        return
            shift = last

    with pa.OSFile(path) as file, pa.ipc.open_file(file) as reader:
        schema = reader.schema
    return pa.RecordBatchReader.from_batches(schema, batches())


def spread(table: pa.Table, days: int) -> pa.Table:
    """Return the line items received over some days, sorted by day."""
    number = pa.array(range(len(table)), pa.int64())
    offsets = pc.subtract(number, pc.multiply(pc.divide(number, days), days))
    received = pc.add(pc.cast(pa.scalar(DAY, pa.date32()), pa.int32()), offsets.cast(pa.int32())).cast(pa.date32())
    place = table.schema.get_field_index("l_receiptdate")
    return table.set_column(place, "l_receiptdate", received).sort_by("l_receiptdate")


def days_of(count: int) -> tuple[date, ...]:
    """Return the days over which they are spread."""
    return tuple(DAY + timedelta(days=number) for number in range(count))
