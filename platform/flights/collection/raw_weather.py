"""The hourly weather at the three airports, as delivered."""

from __future__ import annotations

import duckdb

from flights.days import SINCE
from flights.pipeline import flights
from lakeproof import Column, LandingSource, Sla, Table, audit, daily_table

FIELDS = [
    Column("origin", "string", "FAA code of the airport where it was observed."),
    Column("year", "int", "Year, local."),
    Column("month", "int", "Month, local."),
    Column("day", "int", "Day of the month, local."),
    Column("hour", "int", "Hour, local, 0 to 23; when the clock goes back, hour 1 occurs twice."),
    Column("temp", "double", "Temperature in degrees Fahrenheit."),
    Column("dewp", "double", "Dew point in degrees Fahrenheit."),
    Column("humid", "double", "Relative humidity in percent."),
    Column("wind_dir", "int", "Direction the wind comes from in degrees; null when it varies."),
    Column("wind_speed", "double", "Wind in miles an hour, as delivered: one value, of 1,048, is no wind."),
    Column("wind_gust", "double", "Gusts in miles an hour; null when there were none."),
    Column("precip", "double", "Precipitation of the hour in inches."),
    Column("pressure", "double", "Pressure at sea level in millibars; null for one in ten."),
    Column("visib", "double", "Visibility in statute miles, at most 10."),
    Column("time_hour", "timestamptz", "The hour, as an instant."),
]

raw_weather = Table(
    "flights.raw_weather",
    description=(
        "One row per airport and hour of weather, as delivered and typed. Some hours are missing;"
        " 2013-12-30 ends at 18:00 local and 2013-12-31 was never delivered."
    ),
    columns=[
        Column("weather_date", "date", "Local date of the hour, so that a departure finds its hour in its own day."),
        *FIELDS,
    ],
    partition="weather_date",
    layer="collection",
    key=["origin", "time_hour"],
    pipeline=flights,
    audits=[
        audit.not_null("origin", "time_hour", "precip", "visib"),
        audit.unique(),
        audit.row_count(at_least=50, at_most=75),
        audit.volume(within=0.5, days=28),
        audit.accepted_values("origin", ["EWR", "JFK", "LGA"]),
        audit.sql_result("every_airport_reports", "count(distinct origin)", at_least=3),
        audit.sql(
            "hour_is_local", "timezone('America/New_York', time_hour) = make_timestamp(year, month, day, hour, 0, 0)"
        ),
        audit.between("temp", -30, 120),
        audit.sql("dew_point_below_temperature", "dewp <= temp"),
        audit.between("humid", 0, 100),
        audit.between("wind_dir", 0, 360),
        audit.between("wind_gust", 0, 150),
        audit.between("precip", 0, 5),
        audit.between("pressure", 950, 1_060),
        audit.between("visib", 0, 10),
        audit.between("wind_speed", 0, 150, severity="warn"),
        audit.not_null("temp", "dewp", "humid", "wind_speed", severity="warn"),
        audit.sql_result("pressure_is_known", "avg((pressure is not null)::int)", at_least=0.5, severity="warn"),
        audit.sql_result(
            "every_hour_is_there",  # a local day has 23, 24 or 25 hours
            "count(*) / (3 * date_diff('hour', timezone('America/New_York', min(weather_date)::timestamp),"
            " timezone('America/New_York', min(weather_date)::timestamp + interval 1 day)))",
            at_least=1,
            severity="warn",
        ),
    ],
    sla=Sla(due="03:00", target=0.95, timezone="America/New_York", since=SINCE),
)


@daily_table(
    raw_weather,
    delivered=LandingSource("weather/{ds}/*.csv", FIELDS, root_env="FLIGHTS_LANDING", marker="_SUCCESS", null="NA"),
)
def collect_weather(delivered: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Take every row as it is delivered, and say which day it belongs to."""
    return delivered.project("make_date(year, month, day) AS weather_date, *")
