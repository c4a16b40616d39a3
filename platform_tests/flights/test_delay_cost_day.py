from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from flights.analysis.carrier_day import carrier_day
from flights.transformation.departures import departures
from flights.value.delay_cost_day import delay_cost_day, price_delays
from lakeproof.testing import given

if TYPE_CHECKING:
    from lakeproof import Lakehouse

    from .conftest import RowMaker

DAY = "2013-01-05"
OTHERS = ["9E", "AA", "AS", "B6", "DL", "EV", "FL", "MQ", "US", "WN"]
"""A day of fewer than ten rows is not published."""


def run(
    lakehouse: Lakehouse, departure: RowMaker, rows: list[dict[str, Any]], minutes: int
) -> tuple[dg.ExecuteInProcessResult, dict[str, tuple[int, int]]]:
    """Run a day; return its flights and minutes by cause for UA, whose minutes of the day are given."""
    given(lakehouse, departures, [*rows, *(departure(DAY, carrier=other, arr_delay=10) for other in OTHERS)])
    totals = {"UA": minutes, **dict.fromkeys(OTHERS, 10)}
    at = date.fromisoformat(DAY)
    given(
        lakehouse,
        carrier_day,
        [{"flight_date": at, "carrier": carrier, "arr_delay_minutes": total} for carrier, total in totals.items()],
    )
    result = dg.materialize_to_memory(
        [price_delays], partition_key=DAY, resources={"lakehouse": lakehouse}, raise_on_error=False
    )
    found = lakehouse.read(delay_cost_day).filter(pl.col("carrier") == "UA")
    return result, {row["cause"]: (row["flights"], row["delay_minutes"]) for row in found.to_dicts()}


def test_a_minute_costs_what_airlines_for_america_says(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """Ten minutes at 81.18 dollars, or 42.84 without fuel, to the cent."""
    run(lakehouse, departure, [], 0)

    assert lakehouse.read(delay_cost_day).filter(pl.col("carrier") == "AA").to_dicts() == [
        {
            "flight_date": date(2013, 1, 5),
            "carrier": "AA",
            "cause": "after_departure",
            "flights": 1,
            "delay_minutes": 10,
            "carrier_delay_minutes": 10,
            "usd_per_minute": Decimal("81.18"),
            "cost_usd": Decimal("811.80"),
            "cost_usd_without_fuel": Decimal("428.40"),
        }
    ]


def test_minutes_at_the_gate_and_under_way_add_up(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """What is lost after departure is arithmetic; what was late at the gate and made up in the air is not late."""
    rows = [
        departure(DAY, flight=1, tailnum="N1", dep_delay=20, arr_delay=30),
        departure(DAY, flight=2, tailnum="N2", dep_delay=50, arr_delay=40),
        departure(DAY, flight=3, tailnum="N3", dep_delay=-5, arr_delay=7),
    ]

    result, causes = run(lakehouse, departure, rows, 77)

    assert result.success
    assert causes == {"after_departure": (2, 17), "unattributed": (2, 60)}


def test_only_late_arrivals_cost(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """Early, cancelled and diverted flights have no minutes here."""
    rows = [
        departure(DAY, flight=1, tailnum="N1", dep_delay=30, arr_delay=0),
        departure(DAY, flight=2, tailnum="N2", arr_delay=-15),
        departure(DAY, flight=3, tailnum="N3", dep_delay=None),
        departure(DAY, flight=4, tailnum="N4", dep_delay=90, arr_delay=None),
    ]

    result, causes = run(lakehouse, departure, rows, 0)

    assert result.success
    assert causes == {}


def test_a_gate_delay_in_an_adverse_hour_is_told_apart(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """Each bound on its own makes an hour adverse; just inside all of them, and without a gust, it is not."""
    mild = {"visib": 3.0, "precip": 0.1, "wind_speed": 30.0, "wind_gust": None, "temp": 33.0}
    hours = [
        mild,
        mild | {"visib": 2.5},
        mild | {"precip": 0.11},
        mild | {"wind_speed": 31.0},
        mild | {"wind_gust": 46.0},
        mild | {"precip": 0.01, "temp": 32.0},
        dict.fromkeys(mild),
    ]
    rows = [
        departure(DAY, flight=n, tailnum=f"N{n}", dep_delay=10, arr_delay=10, **hour) for n, hour in enumerate(hours)
    ]

    result, causes = run(lakehouse, departure, rows, 70)

    assert result.success
    assert causes == {"adverse_weather_hour": (5, 50), "unattributed": (2, 20)}


def test_an_aircraft_that_could_not_be_back_is_told_apart(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """It lands at 12:30, flies back in 60 minutes and turns round in 45: that is 45 after the next is due to leave."""
    there = departure(
        DAY, flight=1, tailnum="N9", scheduled_departure_utc=datetime(2013, 1, 5, 10, tzinfo=UTC), air_time=60
    )
    due = datetime(2013, 1, 5, 13, 30, tzinfo=UTC)
    back = departure(DAY, flight=2, tailnum="N9", scheduled_departure_utc=due, dep_delay=60, arr_delay=60)

    result, causes = run(lakehouse, departure, [there, back], 60)

    assert result.success
    assert causes == {"aircraft_not_back": (1, 45), "unattributed": (1, 15)}


def test_an_impossible_rotation_proves_nothing(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """A tail number that leaves again before it could be back is wrong, so the delay stays without a cause."""
    there = departure(
        DAY, flight=1, tailnum="N9", scheduled_departure_utc=datetime(2013, 1, 5, 10, tzinfo=UTC), air_time=60
    )
    due = datetime(2013, 1, 5, 13, 30, tzinfo=UTC)
    back = departure(DAY, flight=2, tailnum="N9", scheduled_departure_utc=due, dep_delay=44, arr_delay=44)

    result, causes = run(lakehouse, departure, [there, back], 44)

    assert result.success
    assert causes == {"unattributed": (1, 44)}


def test_a_sum_that_differs_from_carrier_day_is_held(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """One minute too few, and nobody sees the day."""
    result, causes = run(lakehouse, departure, [departure(DAY, dep_delay=10, arr_delay=10)], 11)

    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
    assert not result.success
    assert failed == ["adds_up_to_carrier_day"]
    assert causes == {}
