from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest

from flights.collection.raw_departures import raw_departures
from flights.collection.raw_weather import raw_weather
from flights.transformation.departures import build_departures, departures
from lakeproof.testing import given

if TYPE_CHECKING:
    from lakeproof import Lakehouse

    from .conftest import RowMaker

OUTCOME = ["flight", "cancelled", "diverted", "departure", "arrival", "block_minutes"]
TIMES = ["flight", "scheduled_departure_utc", "departure", "scheduled_arrival", "scheduled_arrival_utc", "arrival"]


def local(day: str, clock: str) -> datetime:
    """Return a clock time."""
    return datetime.fromisoformat(f"{day}T{clock}")


def utc(day: str, clock: str) -> datetime:
    """Return an instant."""
    return local(day, clock).replace(tzinfo=UTC)


class Day:
    """A day of departures: what a test is about, and the 300 ordinary ones without which no day is published."""

    def __init__(self, lakehouse: Lakehouse, raw_row: RowMaker) -> None:
        """Remember where the rows go."""
        self.lakehouse, self.raw_row = lakehouse, raw_row

    def run(
        self, day: str, *rows: dict[str, Any], weather: tuple[dict[str, Any], ...] = ()
    ) -> dg.ExecuteInProcessResult:
        """Publish the rows as a day of the inputs, and run `departures` for it."""
        ordinary = [self.raw_row(day, flight=1_000 + n) for n in range(300)]
        given(self.lakehouse, raw_departures, [*ordinary, *(self.raw_row(day, **row) for row in rows)])
        given(
            self.lakehouse, raw_weather, [{"weather_date": date.fromisoformat(day), **row} for row in weather or ({},)]
        )
        return dg.materialize_to_memory(
            [build_departures], partition_key=day, resources={"lakehouse": self.lakehouse}, raise_on_error=False
        )

    def read(self, columns: list[str]) -> list[tuple[Any, ...]]:
        """Return the rows that the test is about."""
        return self.lakehouse.read(departures).filter(pl.col("flight") < 1_000).sort("flight").select(columns).rows()


@pytest.fixture
def day(lakehouse: Lakehouse, raw_row: RowMaker, known: None) -> Day:  # noqa: ARG001 - publishes
    """Return a maker of days."""
    return Day(lakehouse, raw_row)


def test_an_ordinary_departure_has_every_column(day: Day) -> None:
    """Newark to Chicago, ten minutes late out and five early in: times there are an hour behind."""
    weather = {
        "origin": "EWR",
        "time_hour": utc("2013-01-05", "13:00"),
        "temp": 30.0,
        "dewp": 20.0,
        "humid": 65.5,
        "wind_dir": 270,
        "wind_speed": 11.5078,
        "wind_gust": None,
        "precip": 0.0,
        "pressure": 1023.5,
        "visib": 10.0,
    }
    result = day.run(
        "2013-01-05", {"dep_delay": 10, "dep_time": 810, "arr_delay": -5, "arr_time": 925}, weather=(weather,)
    )

    assert result.success
    assert dict(zip(departures.column_names, day.read(list(departures.column_names))[0], strict=True)) == {
        "flight_date": date(2013, 1, 5),
        "carrier": "UA",
        "flight": 1,
        "origin": "EWR",
        "dest": "ORD",
        "tailnum": "N1",
        "distance": 719,
        "scheduled_departure": local("2013-01-05", "08:00"),
        "scheduled_departure_utc": utc("2013-01-05", "13:00"),
        "departure": local("2013-01-05", "08:10"),
        "departure_utc": utc("2013-01-05", "13:10"),
        "dest_timezone": "America/Chicago",
        "scheduled_arrival": local("2013-01-05", "09:30"),
        "scheduled_arrival_utc": utc("2013-01-05", "15:30"),
        "arrival": local("2013-01-05", "09:25"),
        "arrival_utc": utc("2013-01-05", "15:25"),
        "reported_arr_time": 925,
        "dep_delay": 10,
        "arr_delay": -5,
        "air_time": 120,
        "scheduled_block_minutes": 150,
        "block_minutes": 135,
        "cancelled": False,
        "diverted": False,
        "weather_hour_utc": utc("2013-01-05", "13:00"),
        "weather_found": True,
        **{name: value for name, value in weather.items() if name not in {"origin", "time_hour"}},
    }


def test_cancelled_diverted_and_flown_are_told_apart(day: Day) -> None:
    """No departure is cancelled; one without an arrival delay is diverted, whatever time of arrival is reported."""
    gone = {"arr_delay": None, "air_time": None}
    result = day.run(
        "2013-01-05",
        {"flight": 1},
        {"flight": 2, "dep_time": None, "dep_delay": None, "arr_time": None, "tailnum": None, **gone},
        {"flight": 3, "arr_time": None, **gone},
        {"flight": 4, "arr_time": 1545, **gone},
    )

    eight, half_past_nine = local("2013-01-05", "08:00"), local("2013-01-05", "09:30")
    assert result.success
    assert day.read(OUTCOME) == [
        (1, False, False, eight, half_past_nine, 150),
        (2, True, False, None, None, None),
        (3, False, True, eight, None, None),
        (4, False, True, eight, None, None),
    ]
    assert day.read(["flight", "reported_arr_time"]) == [(1, 930), (2, None), (3, None), (4, 1545)]


def test_times_are_right_across_midnight(day: Day) -> None:
    """A clock time of arrival before that of departure is the next day's; so is a departure delayed past midnight."""
    result = day.run(
        "2013-01-05",
        {"flight": 1, "sched_dep_time": 2100, "dep_time": 2100, "dest": "LAX", "sched_arr_time": 10, "arr_time": 10},
        {
            "flight": 2,
            "sched_dep_time": 2345,
            "dep_time": 2400,
            "dep_delay": 15,
            "dest": "SJU",
            "sched_arr_time": 437,
            "arr_time": 442,
            "arr_delay": 5,
        },
        {
            "flight": 3,  # nearly 22 hours late, to Honolulu: the longest delay of the year
            "carrier": "HA",
            "origin": "JFK",
            "dest": "HNL",
            "sched_dep_time": 900,
            "dep_time": 641,
            "dep_delay": 1301,
            "sched_arr_time": 1530,
            "arr_time": 1242,
            "arr_delay": 1272,
            "air_time": 640,
        },
    )

    assert result.success
    assert day.read(TIMES) == [
        (
            1,
            utc("2013-01-06", "02:00"),
            local("2013-01-05", "21:00"),
            local("2013-01-06", "00:10"),
            utc("2013-01-06", "08:10"),
            local("2013-01-06", "00:10"),
        ),
        (
            2,
            utc("2013-01-06", "04:45"),
            local("2013-01-06", "00:00"),
            local("2013-01-06", "04:37"),
            utc("2013-01-06", "08:37"),
            local("2013-01-06", "04:42"),
        ),
        (
            3,
            utc("2013-01-05", "14:00"),
            local("2013-01-06", "06:41"),
            local("2013-01-05", "15:30"),
            utc("2013-01-06", "01:30"),
            local("2013-01-06", "12:42"),
        ),
    ]


def test_caribbean_airports_that_no_table_knows_have_their_zone(day: Day) -> None:
    """Atlantic time, without daylight saving: New York's in July, an hour ahead of it in January."""
    caribbean = dict(enumerate(["SJU", "BQN", "PSE", "STT"], start=1))
    winter = [{"flight": n, "dest": dest, "sched_arr_time": 1230, "arr_time": 1230} for n, dest in caribbean.items()]
    summer = [{"flight": n, "dest": dest, "sched_arr_time": 1130, "arr_time": 1130} for n, dest in caribbean.items()]
    assert day.run("2013-01-05", *winter).success
    assert day.run("2013-07-05", *summer).success

    assert set(day.read(["dest_timezone", "scheduled_arrival_utc", "scheduled_block_minutes"])) == {
        ("America/Puerto_Rico", utc("2013-01-05", "16:30"), 210),
        ("America/Puerto_Rico", utc("2013-07-05", "15:30"), 210),
    }
    assert len(day.read(["flight"])) == 8


def test_the_night_the_clock_goes_forward(day: Day) -> None:
    """An arrival reported at 02:03, a time that night did not have, was at 03:03; only a warning says so."""
    result = day.run(
        "2013-03-09",
        {
            "flight": 35,
            "carrier": "B6",
            "origin": "JFK",
            "dest": "PBI",
            "sched_dep_time": 2145,
            "dep_time": 2306,
            "dep_delay": 81,
            "sched_arr_time": 34,
            "arr_time": 203,
            "arr_delay": 89,
            "air_time": 141,
        },
    )

    assert result.success
    assert day.read(["scheduled_arrival", "arrival", "arrival_utc", "block_minutes"]) == [
        (local("2013-03-10", "00:34"), local("2013-03-10", "03:03"), utc("2013-03-10", "07:03"), 177)
    ]
    assert "arrival_as_reported" in {c.check_name for c in result.get_asset_check_evaluations() if not c.passed}


def test_the_day_of_23_hours(day: Day) -> None:
    """From 10 March New York is four hours behind UTC, three ahead of Phoenix, which keeps its time."""
    result = day.run("2013-03-10", {"dest": "PHX", "sched_arr_time": 1040, "arr_time": 1040, "air_time": 300})

    assert result.success
    assert day.read(TIMES) == [
        (
            1,
            utc("2013-03-10", "12:00"),
            local("2013-03-10", "08:00"),
            local("2013-03-10", "10:40"),
            utc("2013-03-10", "17:40"),
            local("2013-03-10", "10:40"),
        )
    ]


def test_the_night_the_clock_goes_back(day: Day) -> None:
    """Of two 01:14 in Los Angeles the delay tells which: the first, in daylight time."""
    result = day.run(
        "2013-11-02",
        {
            "flight": 413,
            "carrier": "VX",
            "origin": "JFK",
            "dest": "LAX",
            "sched_dep_time": 1655,
            "dep_time": 2217,
            "dep_delay": 322,
            "sched_arr_time": 2015,
            "arr_time": 114,
            "arr_delay": 299,
            "air_time": 339,
        },
    )

    assert result.success
    assert day.read(["scheduled_arrival_utc", "arrival", "arrival_utc"]) == [
        (utc("2013-11-03", "03:15"), local("2013-11-03", "01:14"), utc("2013-11-03", "08:14"))
    ]


def test_the_day_of_25_hours(day: Day) -> None:
    """On 3 November New York is five hours behind UTC again; an arrival that is scheduled twice over is the later."""
    night = {"sched_dep_time": 2200, "dep_time": 2200, "dest": "PBI", "sched_arr_time": 130, "arr_time": 130}
    assert day.run("2013-11-02", {"flight": 1, **night}).success
    assert day.run("2013-11-03", {"flight": 2}).success

    assert day.read(["flight", "scheduled_departure_utc", "scheduled_arrival_utc"]) == [
        (1, utc("2013-11-03", "02:00"), utc("2013-11-03", "06:30")),
        (2, utc("2013-11-03", "13:00"), utc("2013-11-03", "15:30")),
    ]


@pytest.mark.parametrize(
    ("on", "changes"),
    [
        ("2013-01-05", {"dest": "EEN"}),
        ("2013-03-09", {"sched_dep_time": 2300, "dep_time": 2300, "dest": "PBI", "sched_arr_time": 230}),
    ],
    ids=["no zone is known", "the clock skipped it"],
)
def test_an_arrival_that_is_no_instant_holds_the_day(day: Day, on: str, changes: dict[str, Any]) -> None:
    """A destination without a zone, or a scheduled time that does not exist, is not guessed."""
    result = day.run(on, changes)

    blocking = [c.check_name for c in result.get_asset_check_evaluations() if not c.passed and c.blocking]
    assert not result.success
    assert "not_null_scheduled_arrival_scheduled_arrival_utc" in blocking
    assert day.read(["flight"]) == []


def test_weather_is_of_the_scheduled_hour_and_airport(day: Day) -> None:
    """An hour that nobody observed stays unknown, and an impossible wind is nothing rather than a storm."""
    eight, nine = utc("2013-01-05", "13:00"), utc("2013-01-05", "14:00")
    late = {"sched_dep_time": 855, "dep_time": 910, "dep_delay": 15, "arr_delay": 15, "sched_arr_time": 1025}
    result = day.run(
        "2013-01-05",
        {"flight": 1, **late},
        {"flight": 2, "sched_dep_time": 905, "sched_arr_time": 1035},
        {"flight": 3, "origin": "JFK"},
        {"flight": 4, "sched_dep_time": 1000, "sched_arr_time": 1130},
        weather=(
            {"origin": "EWR", "time_hour": eight, "visib": 2.0, "wind_speed": 10.0},
            {"origin": "EWR", "time_hour": nine, "visib": 3.0, "wind_speed": 1048.36058},
            {"origin": "JFK", "time_hour": eight, "visib": 4.0, "wind_speed": 0.0},
        ),
    )

    assert result.success
    assert day.read(["flight", "weather_hour_utc", "weather_found", "visib", "wind_speed"]) == [
        (1, eight, True, 2.0, 10.0),
        (2, nine, True, 3.0, None),
        (3, eight, True, 4.0, 0.0),
        (4, utc("2013-01-05", "15:00"), False, None, None),
    ]


def test_an_hour_observed_twice_holds_the_day(day: Day) -> None:
    """Weather that would double departures never reaches readers."""
    hour = {"origin": "EWR", "time_hour": utc("2013-01-05", "13:00")}

    result = day.run("2013-01-05", {"flight": 1}, weather=(hour, hour))

    assert not result.success
    assert "unique" in {c.check_name for c in result.get_asset_check_evaluations() if not c.passed}
    assert day.read(["flight"]) == []


@pytest.mark.usefixtures("known")
def test_a_day_without_weather_is_not_ready(lakehouse: Lakehouse, raw_row: RowMaker) -> None:
    """The last day of the year has departures and no weather: it stops, and says what it waits for."""
    given(lakehouse, raw_departures, [raw_row("2013-12-31", flight=n) for n in range(1, 301)])
    given(lakehouse, raw_weather, [{"weather_date": date(2013, 12, 30)}])

    result = dg.materialize_to_memory(
        [build_departures], partition_key="2013-12-31", resources={"lakehouse": lakehouse}, raise_on_error=False
    )

    message = str(result.failure_data_for_node("flights__departures"))
    assert not result.success
    assert "not-ready" in message
    assert "flights.raw_weather" in message
    assert lakehouse.read(departures).is_empty()
