from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from flights.analysis.route_28d import build_route_28d, route_28d
from flights.transformation.departures import departures
from lakeproof.testing import given

if TYPE_CHECKING:
    from lakeproof import Lakehouse

    from .conftest import RowMaker


def until(last: int) -> list[str]:
    """Return the first days of the year."""
    return [(date(2013, 1, 1) + timedelta(days=n)).isoformat() for n in range(last)]


def elsewhere(departure: RowMaker, day: str) -> list[dict[str, Any]]:
    """Return one departure to each of 150 other places: a day of fewer routes is not published."""
    return [departure(day, carrier="ZZ", dest=f"{n:03}") for n in range(150)]


def published(lakehouse: Lakehouse, day: str) -> list[dict[str, Any]]:
    """Run a day, and return its rows of the one route that the tests are about."""
    result = dg.materialize_to_memory([build_route_28d], partition_key=day, resources={"lakehouse": lakehouse})
    assert result.success
    return lakehouse.read(route_28d, day).filter(pl.col("dest") == "ORD").to_dicts()


def test_a_window_is_the_day_and_the_27_before(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """On the 29th day the first is forgotten, and the rest is counted once each."""
    days = until(29)
    delays = [1_000, *[0] * 20, *[15] * 7, 45]
    rows = [departure(day, arr_delay=delay) for day, delay in zip(days, delays, strict=True)]
    given(lakehouse, departures, [*rows, *elsewhere(departure, days[-1])])

    assert published(lakehouse, days[-1]) == [
        {
            "flight_date": date(2013, 1, 29),
            "origin": "EWR",
            "dest": "ORD",
            "carrier": "UA",
            "days_scheduled": 28,
            "scheduled": 28,
            "cancelled": 0,
            "diverted": 0,
            "flown": 28,
            "late": 8,
            "late_rate": 0.2857,
            "median_arr_delay": 0.0,
            "p80_arr_delay": 15.0,
            "median_block_overrun": 0.0,
        }
    ]


def test_a_window_is_clipped_where_the_table_begins(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """The third day of the year has three days behind it, and says so."""
    days = until(3)
    rows = [departure(day, dep_delay=5, arr_delay=delay) for day, delay in zip(days, (10, 21, 30), strict=True)]
    given(lakehouse, departures, [*rows, *elsewhere(departure, days[-1])])

    (row,) = published(lakehouse, days[-1])

    assert (row["days_scheduled"], row["flown"], row["late"], row["late_rate"]) == (3, 3, 2, 0.6667)
    assert (row["median_arr_delay"], row["p80_arr_delay"], row["median_block_overrun"]) == (21.0, 26.4, 16.0)


def test_a_route_that_only_cancels_has_no_rate(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """Nothing flown is no share of lateness, rather than none late."""
    rows = [departure("2013-01-01", flight=1, dep_delay=None), departure("2013-01-01", flight=2, arr_delay=None)]
    given(lakehouse, departures, [*rows, *elsewhere(departure, "2013-01-01")])

    (row,) = published(lakehouse, "2013-01-01")

    assert (row["scheduled"], row["cancelled"], row["diverted"], row["flown"]) == (2, 1, 1, 0)
    assert (row["late_rate"], row["median_arr_delay"], row["p80_arr_delay"]) == (None, None, None)


def test_a_window_with_a_hole_is_not_ready(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """A missing day of the window stops the run; it is not silently left out."""
    for day in ("2013-01-01", "2013-01-03"):
        given(lakehouse, departures, [departure(day)])

    result = dg.materialize_to_memory(
        [build_route_28d], partition_key="2013-01-03", resources={"lakehouse": lakehouse}, raise_on_error=False
    )

    assert not result.success
    assert "flights.departures" in str(result.failure_data_for_node("flights__route_28d"))
    assert lakehouse.read(route_28d).is_empty()
