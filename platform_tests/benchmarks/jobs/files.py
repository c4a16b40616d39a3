"""The limit: bare writers of the same Parquet, with the contract's codec and level, and no audit at all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
from jobs.lineitem import LEVEL, load


def write(engine: str, data: str, target: str) -> dict[str, Any]:
    """Write line items that lie in memory to one Parquet file.

    Args:
        engine: `pyarrow`, `polars` or `duckdb`.
        data: The Arrow file to load; loading is not counted.
        target: The file to write.
    """
    table = load(data)
    began = time.monotonic()
    if engine == "pyarrow":
        pq.write_table(table, target, compression="zstd", compression_level=LEVEL)
    elif engine == "polars":
        pl.DataFrame(table).write_parquet(target, compression="zstd", compression_level=LEVEL)
    else:
        copy = f"COPY line_items TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {LEVEL})"
        with duckdb.connect() as connection:
            connection.register("line_items", table)
            connection.execute(copy)
    seconds = time.monotonic() - began
    written = pq.read_metadata(target)
    if (written.num_rows, written.num_columns) != table.shape:
        msg = f"{engine} wrote {written.num_rows} rows of {len(table)}"
        raise RuntimeError(msg)
    return {"seconds": seconds, "rows": written.num_rows, "bytes": Path(target).stat().st_size}
