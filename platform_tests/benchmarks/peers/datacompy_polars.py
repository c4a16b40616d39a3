"""datacompy compares two versions as its documentation does: two frames in memory, joined by their key."""

from __future__ import annotations

import time

import datacompy
import polars as pl

KEY = ["l_orderkey", "l_linenumber"]


def compare(folder: str) -> dict[str, object]:
    """Read both versions and compare them, with the report that it writes."""
    began = time.monotonic()
    old, new = (pl.read_parquet(f"{folder}/{name}.parquet") for name in ("old", "new"))
    found = datacompy.PolarsCompare(old, new, join_columns=KEY, df1_name="old", df2_name="new")
    found.report()
    changed = found.intersect_rows.height - found.count_matching_rows()
    return {"seconds": time.monotonic() - began, "said": f"{changed:,} rows changed"}
