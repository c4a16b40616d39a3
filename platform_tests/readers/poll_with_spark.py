"""Poll a table with Spark and Iceberg's own runtime for it, in an environment that has nothing of Lakeproof's.

Usage: poll_with_spark.py CATALOG_DB NAME TABLE STOP_FILE. Prints a JSON line a poll until STOP_FILE is there.
"""

import json
import os
import sqlite3
import sys
from pathlib import Path

from pyspark.sql import SparkSession


def session() -> SparkSession:
    """Start Spark in this process alone, on one core, with Iceberg's jar beside this Python."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    settings = {
        "spark.jars": ",".join(map(str, Path(sys.prefix, "jars").glob("iceberg-spark-runtime-*.jar"))),
        "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    return SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()


def main(catalog: str, name: str, table: str, stop: str) -> None:
    """Poll: follow the catalog's pointer as any reader does, and look at every row.

    Spark reads the metadata file that the pointer names. Iceberg's JDBC catalog would follow the pointer by itself, but
    as it comes it leaves a read of SQLite open, which locks out whoever publishes.
    """
    spark = session()
    pointer = "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_name = ?"
    days = "SELECT CAST(day AS STRING), count(*), min(value), max(value) FROM {rows} GROUP BY day"
    while not Path(stop).exists():
        found = sqlite3.connect(catalog, timeout=30).execute(pointer, [name, table]).fetchone()
        if found is None:
            continue
        rows = spark.read.format("iceberg").load(found[0])
        sys.stdout.write(json.dumps([list(day) for day in spark.sql(days, rows=rows).collect()]) + "\n")
        sys.stdout.flush()


main(*sys.argv[1:])
