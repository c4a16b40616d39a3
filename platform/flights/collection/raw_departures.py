"""Every scheduled departure, as delivered."""

from __future__ import annotations

import duckdb

from flights.days import SINCE
from flights.pipeline import flights
from lakeproof import Column, HttpSource, Sla, Table, audit, daily_table
from lakeproof.source import DayIndex, NextLink, Rate, api_key

FIELDS = [
    Column("year", "int", "Year of the scheduled departure, local."),
    Column("month", "int", "Month of the scheduled departure, local."),
    Column("day", "int", "Day of the scheduled departure, local."),
    Column("dep_time", "int", "Local time of departure as HHMM, to 2400; null when the flight never left the gate."),
    Column("sched_dep_time", "int", "Local time of the scheduled departure as HHMM."),
    Column("dep_delay", "int", "Minutes between scheduled and actual departure; negative is early."),
    Column("arr_time", "int", "Local time of arrival as HHMM, to 2400, at the airport where it landed."),
    Column("sched_arr_time", "int", "Local time of the scheduled arrival as HHMM."),
    Column("arr_delay", "int", "Minutes between scheduled and actual arrival; negative is early."),
    Column("carrier", "string", "IATA code of the airline."),
    Column("flight", "int", "Flight number."),
    Column("tailnum", "string", "Registration of the aircraft; null for some cancelled flights."),
    Column("origin", "string", "FAA code of the airport of departure."),
    Column("dest", "string", "FAA code of the scheduled destination."),
    Column("air_time", "int", "Minutes in the air."),
    Column("distance", "int", "Miles between the airports."),
    Column("hour", "int", "Hour of the scheduled departure, local."),
    Column("minute", "int", "Minute of the scheduled departure."),
    Column("time_hour", "timestamptz", "The hour of the scheduled departure, as an instant."),
]

raw_departures = Table(
    "flights.raw_departures",
    description="One row per scheduled departure from Newark, JFK or LaGuardia, as delivered and typed.",
    columns=[Column("flight_date", "date", "Local date of the scheduled departure."), *FIELDS],
    partition="flight_date",
    layer="collection",
    key=["flight_date", "carrier", "flight", "origin", "sched_dep_time"],
    pipeline=flights,
    audits=[
        audit.not_null("year", "month", "day", "hour", "minute", "time_hour", name="not_null_schedule"),
        audit.not_null("sched_dep_time", "sched_arr_time", "carrier", "flight", "origin", "dest", "distance"),
        audit.unique(),
        audit.row_count(at_least=300, at_most=1_500),
        audit.volume(within=0.5, days=28),
        audit.accepted_values("origin", ["EWR", "JFK", "LGA"]),
        audit.references("carrier", "flights.airlines", "carrier"),
        audit.between("dep_delay", -60, 1_500),
        audit.between("arr_delay", -120, 1_500),
        audit.sql(
            "times_are_times",
            "dep_time between 1 and 2400 and dep_time % 100 < 60"
            " and arr_time between 1 and 2400 and arr_time % 100 < 60"
            " and sched_dep_time between 0 and 2359 and sched_dep_time % 100 < 60"
            " and sched_arr_time between 0 and 2359 and sched_arr_time % 100 < 60",
        ),
        audit.sql(
            "hour_is_the_schedules",
            "hour = sched_dep_time // 100 and minute = sched_dep_time % 100"
            " and timezone('America/New_York', time_hour) = make_timestamp(year, month, day, hour, 0, 0)",
        ),
        audit.between("distance", 1, 10_000),
        audit.between("air_time", 1, 1_440),
        audit.sql("delay_with_departure", "(dep_time is null) = (dep_delay is null)"),
        audit.sql("arrival_after_departure", "dep_time is not null or arr_time is null"),
        audit.sql("air_time_with_arrival", "(arr_delay is null) = (air_time is null)"),
        audit.sql("flown_by_an_aircraft", "dep_time is null or tailnum is not null"),
        audit.references("dest", "flights.airports", "faa", severity="warn"),
        audit.references("tailnum", "flights.planes", "tailnum", severity="warn"),
        audit.matches("tailnum", "N[0-9A-Z]+", severity="warn"),
    ],
    sla=Sla(due="03:00", target=0.95, timezone="America/New_York", since=SINCE),
)


@daily_table(
    raw_departures,
    delivered=HttpSource(
        "/v1/departures",
        FIELDS,
        base_env="FLIGHTS_FEED_URL",
        auth=api_key(env="FLIGHTS_FEED_KEY", header="X-Api-Key"),
        params={"date": "{ds}"},
        items="data",
        total="total",
        pagination=NextLink("next", limit=1_000),
        days=DayIndex("/v1/departures/days", rows="rows", complete="complete", version="etag"),
        rate=Rate(50),
    ),
)
def collect_departures(delivered: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Take every row as it is delivered, and say which day it belongs to."""
    return delivered.project("make_date(year, month, day) AS flight_date, *")
