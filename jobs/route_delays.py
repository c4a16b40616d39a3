"""Percentiles of arrival delay by route and scheduled hour, over the four weeks that end with each day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lakeproof_job
from pyspark.sql import functions as F  # noqa: N812 - what PySpark's own pages call it

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def route_delays(window: lakeproof_job.Window, departures: DataFrame) -> DataFrame:
    """Return a row for each route and hour that had an arrival in the window.

    Args:
        window: One day; its departures are those of the four weeks that end with it.
        departures: The cleaned departures of those weeks.
    """
    delay = F.col("arr_delay").cast("double")
    percentiles = [F.percentile(delay, F.lit(n / 100)).alias(f"p{n}_arr_delay") for n in (50, 80, 95)]
    hour = F.hour("scheduled_departure").cast("int").alias("hour")
    return (
        departures.where(F.col("arr_delay").isNotNull())
        .groupBy(F.lit(window.first).alias("flight_date"), "origin", "dest", hour)
        .agg(F.count("*").cast("int").alias("flown"), *percentiles)
    )


if __name__ == "__main__":
    lakeproof_job.run(route_delays)
