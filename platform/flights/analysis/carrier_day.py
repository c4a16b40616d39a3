"""How each airline did each day."""

from __future__ import annotations

from flights.days import SINCE
from flights.pipeline import flights
from flights.transformation.departures import departures
from lakeproof import Column, Metric, Sla, Table, audit, sql_table

carrier_day = Table(
    "flights.carrier_day",
    description="One row per airline and day on which it had a departure scheduled from New York.",
    columns=[
        Column("flight_date", "date", "Local date of the scheduled departures."),
        Column("carrier", "string", "IATA code of the airline."),
        Column("scheduled", "int", "Departures scheduled."),
        Column("cancelled", "int", "Departures that never left the gate."),
        Column("diverted", "int", "Departures that left the gate with no arrival delay reported."),
        Column("flown", "int", "Departures that arrived."),
        Column("on_time", "int", "Flights that arrived less than 15 minutes late."),
        Column("late", "int", "Flights that arrived 15 minutes late or more."),
        Column("late_departures", "int", "Flights that left 15 minutes late or more."),
        Column("arr_delay_minutes", "long", "Minutes of late arrival; an early arrival counts as 0."),
        Column("dep_delay_minutes", "long", "Minutes of late departure; an early departure counts as 0."),
        Column(
            "median_arr_delay",
            "double",
            "Median arrival delay in minutes, early ones negative; null when none was flown.",
            digits=1,
        ),
        Column(
            "p90_arr_delay",
            "double",
            "90th percentile of arrival delay in minutes, interpolated; null when none was flown.",
            digits=1,
        ),
        Column("miles_flown", "long", "Miles between the airports of the flights that arrived."),
    ],
    partition="flight_date",
    layer="analysis",
    key=["flight_date", "carrier"],
    pipeline=flights,
    owner="team:flight-analytics",
    audits=[
        audit.not_null("carrier"),
        audit.unique(),
        audit.row_count(at_least=10, at_most=20),
        audit.sql("someone_was_to_fly", "scheduled >= 1"),
        audit.sql("every_departure_has_one_outcome", "scheduled = flown + cancelled + diverted"),
        audit.sql("on_time_or_late", "flown = on_time + late"),
        audit.sql("no_median_of_nothing", "(flown = 0) = (median_arr_delay is null)"),
    ],
    sla=Sla(due="07:00", target=0.95, timezone="America/New_York", since=SINCE),
    metrics=[
        Metric(
            "on_time_share",
            "sum(on_time) / nullif(sum(flown), 0)",
            "Share of the flights that arrived which arrived less than 15 minutes late.",
            unit="1",
            direction="higher",
            grain=["carrier"],
        ),
    ],
)

build_carrier_day = sql_table(carrier_day, "carrier_day.sql", departures=departures)
