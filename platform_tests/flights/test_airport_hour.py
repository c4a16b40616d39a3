from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from flights.analysis.airport_hour import airport_hour, build_airport_hour
from flights.transformation.departures import departures
from lakeproof.testing import given

if TYPE_CHECKING:
    from lakeproof import Lakehouse

    from .conftest import RowMaker


def elsewhere(departure: RowMaker, day: str) -> list[dict[str, Any]]:
    """Return one departure in each of 20 hours at the two other airports: a day of fewer than 40 is not published."""
    first = datetime.fromisoformat(f"{day}T06:00:00Z")
    return [
        departure(day, origin=origin, flight=n, scheduled_departure_utc=first + timedelta(hours=n))
        for origin in ("JFK", "LGA")
        for n in range(20)
    ]


def test_each_hour_has_its_departures_and_its_weather(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """A departure counts in the hour it was scheduled; one of cancellations has no mean, one unobserved no weather."""
    day = "2013-01-05"
    one, two, three = (datetime(2013, 1, 5, hour, tzinfo=UTC) for hour in (13, 14, 15))
    storm = {"temp": 30.2, "visib": 1.5, "precip": 0.1, "wind_speed": 23.0, "wind_gust": 40.3}
    rows = [
        departure(day, flight=1, scheduled_departure_utc=one, dep_delay=-4, **storm),
        departure(day, flight=2, scheduled_departure_utc=one.replace(minute=20), dep_delay=15, arr_delay=None, **storm),
        departure(day, flight=3, scheduled_departure_utc=one.replace(minute=59), dep_delay=21, **storm),
        departure(day, flight=4, scheduled_departure_utc=two, dep_delay=None),
        departure(day, flight=5, scheduled_departure_utc=three, weather_found=False),
    ]
    given(lakehouse, departures, [*rows, *elsewhere(departure, day)])

    result = dg.materialize_to_memory([build_airport_hour], partition_key=day, resources={"lakehouse": lakehouse})

    found = lakehouse.read(airport_hour, day).filter(pl.col("origin") == "EWR").sort("hour_utc")
    nothing = dict.fromkeys(storm)
    assert result.success
    assert found.to_dicts() == [
        {
            "flight_date": date(2013, 1, 5),
            "origin": "EWR",
            "hour_utc": one,
            "local_hour": 8,
            "scheduled": 3,
            "cancelled": 0,
            "diverted": 1,
            "late_departures": 2,
            "mean_dep_delay": 10.667,
            "median_dep_delay": 15.0,
            "dep_delay_minutes": 36,
            "weather_found": True,
            **storm,
        },
        {
            "flight_date": date(2013, 1, 5),
            "origin": "EWR",
            "hour_utc": two,
            "local_hour": 9,
            "scheduled": 1,
            "cancelled": 1,
            "diverted": 0,
            "late_departures": 0,
            "mean_dep_delay": None,
            "median_dep_delay": None,
            "dep_delay_minutes": 0,
            "weather_found": True,
            **nothing,
        },
        {
            "flight_date": date(2013, 1, 5),
            "origin": "EWR",
            "hour_utc": three,
            "local_hour": 10,
            "scheduled": 1,
            "cancelled": 0,
            "diverted": 0,
            "late_departures": 0,
            "mean_dep_delay": 0.0,
            "median_dep_delay": 0.0,
            "dep_delay_minutes": 0,
            "weather_found": False,
            **nothing,
        },
    ]


def test_an_hour_that_the_clock_shows_twice_is_two_hours(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """On 3 November the hour from one o'clock comes in daylight time, then in standard time."""
    day = "2013-11-03"
    daylight, standard = (datetime(2013, 11, 3, hour, 30, tzinfo=UTC) for hour in (5, 6))
    rows = [departure(day, flight=n, scheduled_departure_utc=at) for n, at in enumerate([daylight, standard, standard])]
    given(lakehouse, departures, [*rows, *elsewhere(departure, day)])

    dg.materialize_to_memory([build_airport_hour], partition_key=day, resources={"lakehouse": lakehouse})

    found = lakehouse.read(airport_hour, day).filter(pl.col("origin") == "EWR").sort("hour_utc")
    assert found.select("hour_utc", "local_hour", "scheduled").rows() == [
        (daylight.replace(minute=0), 1, 1),
        (standard.replace(minute=0), 1, 2),
    ]
