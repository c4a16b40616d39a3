"""How each airline has done since the year began: yesterday's totals and today's day."""

from __future__ import annotations

from flights.analysis.carrier_day import carrier_day
from flights.days import SINCE, START
from flights.pipeline import flights
from flights.rates import REVIEW, analyst_hours
from lakeproof import Column, Sla, Table, Value, audit, sql_table

carrier_to_date = Table(
    "flights.carrier_to_date",
    description=f"One row per day and airline that was scheduled by then: totals from {START}, this day included.",
    columns=[
        Column("flight_date", "date", "Local date up to which the totals run, itself included."),
        Column("carrier", "string", "IATA code of the airline."),
        Column("last_scheduled", "date", "The last day on which the airline had a departure scheduled."),
        Column("days_scheduled", "int", "Days on which it had one."),
        Column("scheduled", "long", "Departures scheduled."),
        Column("cancelled", "long", "Departures that never left the gate."),
        Column("diverted", "long", "Departures that left the gate with no arrival delay reported."),
        Column("flown", "long", "Departures that arrived."),
        Column("late", "long", "Flights that arrived 15 minutes late or more."),
        Column("arr_delay_minutes", "long", "Minutes of late arrival; an early arrival counts as 0."),
    ],
    partition="flight_date",
    layer="analysis",
    key=["flight_date", "carrier"],
    pipeline=flights,
    owner="team:flight-analytics",
    audits=[
        audit.not_null("carrier", "last_scheduled"),
        audit.unique(),
        audit.row_count(at_least=10, at_most=20),
        audit.sql("every_departure_has_one_outcome", "scheduled = flown + cancelled + diverted"),
        audit.sql("late_within_flown", "late <= flown"),
        audit.sql(
            "days_have_departures",
            f"days_scheduled between 1 and least(scheduled, date_diff('day', date '{START}', last_scheduled) + 1)"
            " and last_scheduled <= flight_date",
        ),
        # Some airline leaves New York every day, so a total that lacks a day shows: for ever, once a gap is declared.
        audit.sql_result(
            "no_day_is_skipped",
            f"max(days_scheduled) - date_diff('day', date '{START}', min(flight_date))",
            at_least=1,
            severity="warn",
        ),
    ],
    sla=Sla(due="07:00", target=0.95, timezone="America/New_York", since=SINCE),
    value=Value(
        "the monthly report to the airlines",
        usd_per_month=analyst_hours(4),
        why="where each airline stands; assumed: four analyst hours of adding up, once a month",
        review_by=REVIEW,
    ),
)

build_carrier_to_date = sql_table(
    carrier_to_date, "carrier_to_date.sql", before=carrier_to_date.previous(), today=carrier_day
)
