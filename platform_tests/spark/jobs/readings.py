"""The readings of the window, as they come in; what goes wrong is asked for by the setting `spark.lakeproof.fault`."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import lakeproof_job
from pyspark.sql import functions as F  # noqa: N812 - what PySpark's own pages call it

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def readings(window: lakeproof_job.Window, raw: DataFrame, spark: SparkSession) -> DataFrame:
    """Return the raw readings, or what goes wrong with them."""
    fault = spark.conf.get("spark.lakeproof.fault", "")
    sys.stdout.write(f"readings of {window.first}\n")
    if fault == "raise":
        msg = "the sensor's calibration is unknown"
        raise ValueError(msg)
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hang":
        time.sleep(600)
    if fault == "exit":
        sys.exit(7)
    changes = {
        "another day": lambda: raw.withColumn("reading_date", F.date_add("reading_date", 400)),
        "null day": lambda: raw.withColumn("reading_date", F.lit(None).cast("date")),
        "no column": lambda: raw.drop("value"),
        "another type": lambda: raw.withColumn("value", F.col("value").cast("string")),
        "too many": lambda: raw.withColumn("value", F.col("value") + 1_000),
        "twice": lambda: raw.union(raw),
        "elsewhere": lambda: _elsewhere(raw, spark),
        "empty": lambda: raw.where("false"),
        "more": lambda: raw.union(raw.where("value = 1").withColumn("value", F.lit(9))),
    }
    return changes.get(fault, lambda: raw)()


def _elsewhere(raw: DataFrame, spark: SparkSession) -> DataFrame:
    """Write into the table's own folder, as a job that knows where it lies could."""
    raw.write.mode("append").parquet(spark.conf.get("spark.lakeproof.elsewhere"))
    return raw.where("false")


if __name__ == "__main__":
    lakeproof_job.run(readings)
