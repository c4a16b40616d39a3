"""The input, by a function that runs where the executors are, and waits there for a file that a setting names."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import lakeproof_job
from pyspark.sql import functions as F  # noqa: N812 - what PySpark's own pages call it

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def on_executors(raw: DataFrame, spark: SparkSession) -> DataFrame:
    """Return the input; each row leaves a file that says it has begun, and goes on once there is one that says so."""
    folder = spark.conf.get("spark.lakeproof.folder")
    driver = os.getpid()

    @F.udf("int")
    def waited(value: int) -> int:
        import lakeproof_job as there  # noqa: PLC0415 - whether the executors have it is the question

        assert there.SETTINGS
        assert os.getpid() != driver
        (Path(folder) / f"begun-{value}").touch()
        until = time.monotonic() + 60
        while not (Path(folder) / "go").exists() and time.monotonic() < until:
            time.sleep(0.1)
        return value

    sys.stdout.write(f"on {spark.sparkContext.master}\n")
    return raw.withColumn("value", waited("value"))


if __name__ == "__main__":
    lakeproof_job.run(on_executors)
