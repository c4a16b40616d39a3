from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from flights.analysis.carrier_day import build_carrier_day, carrier_day
from flights.transformation.departures import departures
from lakeproof.testing import given

if TYPE_CHECKING:
    from lakeproof import Lakehouse

    from .conftest import RowMaker

DAY = "2013-01-05"
OTHERS = ["AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ"]
"""A day of fewer than ten airlines is not published."""


def test_outcomes_and_delays_are_counted_by_airline(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """Late begins at 15 minutes; early minutes count as none, but pull the median; only the flown have miles."""
    rows = [
        departure(DAY, flight=1, dep_delay=-5, arr_delay=-20, distance=100),
        departure(DAY, flight=2, dep_delay=14, arr_delay=14, distance=200),
        departure(DAY, flight=3, dep_delay=15, arr_delay=15, distance=300),
        departure(DAY, flight=4, dep_delay=60, arr_delay=None),
        departure(DAY, flight=5, dep_delay=None, arr_delay=None),
        departure(DAY, carrier="HA", dep_delay=None, arr_delay=None),
    ]
    given(lakehouse, departures, [*rows, *(departure(DAY, carrier=other) for other in OTHERS if other != "HA")])

    result = dg.materialize_to_memory([build_carrier_day], partition_key=DAY, resources={"lakehouse": lakehouse})

    found = {row["carrier"]: row for row in lakehouse.read(carrier_day, DAY).to_dicts()}
    assert result.success
    assert sorted(found) == [*OTHERS, "UA"]
    assert found["UA"] == {
        "flight_date": date(2013, 1, 5),
        "carrier": "UA",
        "scheduled": 5,
        "cancelled": 1,
        "diverted": 1,
        "flown": 3,
        "on_time": 2,
        "late": 1,
        "late_departures": 2,
        "arr_delay_minutes": 29,
        "dep_delay_minutes": 89,
        "median_arr_delay": 14.0,
        "p90_arr_delay": 14.8,
        "miles_flown": 600,
    }
    assert found["HA"] == {
        "flight_date": date(2013, 1, 5),
        "carrier": "HA",
        "scheduled": 1,
        "cancelled": 1,
        "diverted": 0,
        "flown": 0,
        "on_time": 0,
        "late": 0,
        "late_departures": 0,
        "arr_delay_minutes": 0,
        "dep_delay_minutes": 0,
        "median_arr_delay": None,
        "p90_arr_delay": None,
        "miles_flown": 0,
    }


def test_days_of_a_range_are_counted_apart(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """A run over two days makes the same rows as two runs."""
    days = ["2013-01-05", "2013-01-06"]
    given(
        lakehouse,
        departures,
        [departure(day, carrier=carrier, arr_delay=n) for n, day in enumerate(days) for carrier in [*OTHERS, "UA"]],
    )
    both = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[1]}

    result = dg.materialize_to_memory([build_carrier_day], tags=both, resources={"lakehouse": lakehouse})

    assert result.success
    assert [lakehouse.read(carrier_day, day)["arr_delay_minutes"].to_list() for day in days] == [[0] * 10, [1] * 10]
