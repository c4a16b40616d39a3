from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from flights.collection.airports import airports, collect_airports

if TYPE_CHECKING:
    from lakeproof import Lakehouse


def test_every_airport_is_published_as_delivered(lakehouse: Lakehouse) -> None:
    """All 1,458 airports are there; an all-digit code stays text, and a longitude without its sign is not mended."""
    result = dg.materialize_to_memory([collect_airports], resources={"lakehouse": lakehouse})

    rows = lakehouse.read(airports)

    assert result.success
    assert rows.height == 1_458
    assert rows.filter(pl.col("faa") == "369").height == 1
    assert rows.filter(pl.col("faa") == "MYF").select("tzone", pl.col("lon") > 0).row(0) == ("Asia/Chongqing", True)


def test_airports_without_a_zone_are_warned_of(lakehouse: Lakehouse) -> None:
    """Three airports have no time zone, which is reported and holds nothing."""
    result = dg.materialize_to_memory([collect_airports], resources={"lakehouse": lakehouse})

    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]

    assert failed == ["not_null_tzone"]
    assert sorted(lakehouse.read(airports).filter(pl.col("tzone").is_null())["faa"]) == ["EEN", "LRO", "YAK"]
