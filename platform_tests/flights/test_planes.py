from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from flights.collection.planes import collect_planes, planes

if TYPE_CHECKING:
    from lakeproof import Lakehouse


def test_every_aircraft_is_published_as_delivered(lakehouse: Lakehouse) -> None:
    """All 3,322 aircraft are there; 70 without a year of manufacture are warned of."""
    result = dg.materialize_to_memory([collect_planes], resources={"lakehouse": lakehouse})

    rows = lakehouse.read(planes)

    assert result.success
    assert [check.check_name for check in result.get_asset_check_evaluations() if not check.passed] == ["not_null_year"]
    assert (rows.height, rows["year"].null_count()) == (3_322, 70)
    assert rows.row(by_predicate=pl.col("tailnum") == "N10156") == (
        "N10156",
        2004,
        "Fixed wing multi engine",
        "EMBRAER",
        "EMB-145XR",
        2,
        55,
        None,
        "Turbo-fan",
    )
