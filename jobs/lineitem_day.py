"""TPC-H line items as a daily table, by the day on which they were shipped: the benchmark's job, at any scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lakeproof_job
from pyspark.sql import functions as F  # noqa: N812 - what PySpark's own pages call it

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILES = "spark.lakeproof.lineitem.files"
"""The setting that says where the line items lie as Parquet, by `tpchgen-cli parquet --tables lineitem`."""


def lineitem_day(window: lakeproof_job.Window, spark: SparkSession) -> DataFrame:
    """Return the line items that were shipped in the window.

    Args:
        window: The days.
        spark: The session, which knows where the files are.
    """
    items = spark.read.parquet(spark.conf.get(FILES))
    shipped = F.col("l_shipdate")
    return items.where((shipped >= F.lit(window.first)) & (shipped < F.lit(window.until)))


if __name__ == "__main__":
    lakeproof_job.run(lineitem_day)
