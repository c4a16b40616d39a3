"""The bare job: line items straight into an Iceberg table by its own writer, and one scan that checksums them."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
items = spark.read.parquet(spark.conf.get("spark.lakeproof.lineitem.files"))
writer = items.writeTo("here.bench.lineitem").using("iceberg").partitionedBy("l_shipdate")
for name, value in {"codec": "zstd", "level": "3"}.items():
    writer = writer.tableProperty(f"write.parquet.compression-{name}", value)
writer.create()
row = spark.sql("SELECT count(*) AS rows, bit_xor(xxhash64(*)) AS hash FROM here.bench.lineitem").collect()[0]
sys.stdout.write(f"{row.hash} {row.rows}\n")
