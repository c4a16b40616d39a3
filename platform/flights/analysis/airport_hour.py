"""How each airport did in each hour, beside the weather it had."""

from __future__ import annotations

from flights.days import SINCE
from flights.pipeline import flights
from flights.rates import REVIEW, analyst_hours
from flights.transformation.departures import departures
from lakeproof import Column, Sla, Table, Value, audit, sql_table

airport_hour = Table(
    "flights.airport_hour",
    description="One row per airport and hour with a scheduled departure, and the weather of that hour.",
    columns=[
        Column("flight_date", "date", "Local date of the scheduled departures."),
        Column("origin", "string", "FAA code of the airport."),
        Column("hour_utc", "timestamptz", "The hour of the scheduled departures, as an instant."),
        Column("local_hour", "int", "The same hour on the clock in New York, 0 to 23."),
        Column("scheduled", "int", "Departures scheduled."),
        Column("cancelled", "int", "Departures that never left the gate."),
        Column("diverted", "int", "Departures that left the gate with no arrival delay reported."),
        Column("late_departures", "int", "Flights that left 15 minutes late or more, whenever they left."),
        Column(
            "mean_dep_delay",
            "double",
            "Mean departure delay in minutes, early ones negative; null when all were cancelled.",
            digits=3,
        ),
        Column(
            "median_dep_delay",
            "double",
            "Median departure delay in minutes, early ones negative; null when all were cancelled.",
            digits=1,
        ),
        Column("dep_delay_minutes", "long", "Minutes of late departure; an early departure counts as 0."),
        Column("weather_found", "boolean", "Whether the hour was observed; if not, every weather column is null."),
        Column("temp", "double", "Temperature in degrees Fahrenheit."),
        Column("visib", "double", "Visibility in statute miles, at most 10."),
        Column("precip", "double", "Precipitation of the hour in inches."),
        Column("wind_speed", "double", "Wind in miles an hour."),
        Column("wind_gust", "double", "Gusts in miles an hour; null when there were none."),
    ],
    partition="flight_date",
    layer="analysis",
    key=["origin", "hour_utc"],
    pipeline=flights,
    owner="team:flight-analytics",
    audits=[
        audit.not_null("origin", "hour_utc", "weather_found"),
        audit.unique(),
        audit.row_count(at_least=40, at_most=75),
        audit.between("scheduled", 1, 60),
        audit.between("local_hour", 0, 23),
        audit.sql(
            "outcomes_within_schedule", "cancelled + diverted <= scheduled and late_departures <= scheduled - cancelled"
        ),
        audit.sql("no_mean_of_nothing", "(cancelled = scheduled) = (mean_dep_delay is null)"),
        audit.sql(
            "no_weather_unless_found", "weather_found or (temp is null and visib is null and wind_speed is null)"
        ),
    ],
    sla=Sla(due="07:00", target=0.95, timezone="America/New_York", since=SINCE),
    value=Value(
        "station managers",
        usd_per_month=analyst_hours(3),
        why="which hours to staff; assumed: an analyst hour a month less for each of three airports",
        review_by=REVIEW,
    ),
)

build_airport_hour = sql_table(airport_hour, "airport_hour.sql", departures=departures)
