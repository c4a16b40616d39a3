"""How late flights arrive on each route by the hour of their departure; in this process, or by a Spark job."""

from __future__ import annotations

import os

from flights.pipeline import flights
from flights.rates import REVIEW, analyst_hours
from flights.transformation.departures import departures
from lakeproof import Column, Table, Value, audit, spark_table, sql_table

route_delays = Table(
    "flights.route_delays",
    description="One row per day, route and hour: arrivals of the 28 days that end with the day.",
    columns=[
        Column("flight_date", "date", "Local date on which the four weeks end, itself included."),
        Column("origin", "string", "FAA code of the airport of departure."),
        Column("dest", "string", "FAA code of the scheduled destination."),
        Column("hour", "int", "Hour of the scheduled departure, 0 to 23, local time in New York."),
        Column("flown", "int", "Departures that arrived."),
        Column("p50_arr_delay", "double", "Median arrival delay in minutes, interpolated.", digits=2),
        Column("p80_arr_delay", "double", "80th percentile of arrival delay in minutes, interpolated.", digits=2),
        Column("p95_arr_delay", "double", "95th percentile of arrival delay in minutes, interpolated.", digits=2),
    ],
    partition="flight_date",
    layer="analysis",
    key=["flight_date", "origin", "dest", "hour"],
    pipeline=flights,
    owner="team:flight-analytics",
    audits=[
        audit.not_null("origin", "dest", "hour", "p50_arr_delay", "p80_arr_delay", "p95_arr_delay"),
        audit.unique(),
        audit.volume(within=0.5, days=28),  # the first weeks have a shorter window, and fewer hours
        audit.between("hour", 0, 23),
        audit.between("flown", 1, 1_000),
        audit.sql("percentiles_rise", "p50_arr_delay <= p80_arr_delay and p80_arr_delay <= p95_arr_delay"),
    ],
    value=Value(
        "whoever plans a connection",
        usd_per_use=analyst_hours(0.25),
        why="how late a departure of an hour arrives; assumed: a quarter of an analyst hour, each day it is looked up",
        review_by=REVIEW,
    ),
)

# The same table, audits and commands, whoever makes the rows: the job does what the statement does.
build_route_delays = (
    spark_table(route_delays, "route_delays.py", departures=departures.last(days=28))
    if os.environ.get("LAKEPROOF_SPARK")
    else sql_table(route_delays, "route_delays.sql", departures=departures.last(days=28))
)
