"""A table's files as a lazy Polars frame, its columns matched by Iceberg field id.

The one place that uses a private parameter of Polars: it is how `polars.scan_iceberg` itself reads old files under a
newer schema, and that takes only whole snapshots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from lakeproof.engine.cast import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.parts import Column


def scan_files(columns: Mapping[int, Column], paths: Sequence[str], options: dict[str, str]) -> pl.LazyFrame:
    """Return a table's files as a lazy frame: added columns null, widened ones wide, renamed ones under their new name.

    Args:
        columns: The table's columns by field id.
        paths: Parquet files, at least one.
        options: What Polars needs to reach them.
    """
    plain = arrow_schema(columns.values())
    by_id = pa.schema(
        [field.with_metadata({"PARQUET:field_id": str(number)}) for number, field in zip(columns, plain, strict=True)]
    )
    return pl.scan_parquet(
        list(paths),
        glob=False,
        storage_options=options,
        hive_partitioning=False,
        schema=pl.DataFrame(plain.empty_table()).schema,
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast"),
        _column_mapping=("iceberg-column-mapping", by_id, None),
    )
