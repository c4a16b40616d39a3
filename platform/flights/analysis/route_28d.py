"""How each airline did on each route in the last four weeks."""

from __future__ import annotations

from flights.days import SINCE, START
from flights.pipeline import flights
from flights.rates import REVIEW, analyst_hours
from flights.transformation.departures import departures
from lakeproof import Column, Sla, Table, Value, audit, sql_table

route_28d = Table(
    "flights.route_28d",
    description="One row per day, route and airline: the 28 days that end with the day; fewer in the first four weeks.",
    columns=[
        Column("flight_date", "date", "Local date on which the four weeks end, itself included."),
        Column("origin", "string", "FAA code of the airport of departure."),
        Column("dest", "string", "FAA code of the scheduled destination."),
        Column("carrier", "string", "IATA code of the airline."),
        Column("days_scheduled", "int", "Days of the window with a departure scheduled, 1 to 28."),
        Column("scheduled", "int", "Departures scheduled."),
        Column("cancelled", "int", "Departures that never left the gate."),
        Column("diverted", "int", "Departures that left the gate with no arrival delay reported."),
        Column("flown", "int", "Departures that arrived."),
        Column("late", "int", "Flights that arrived 15 minutes late or more."),
        Column("late_rate", "double", "Share of the flown that were late, 0 to 1; null when none was flown.", digits=4),
        Column("median_arr_delay", "double", "Median arrival delay in minutes; null when none was flown.", digits=1),
        Column(
            "p80_arr_delay",
            "double",
            "80th percentile of arrival delay in minutes, interpolated; null when none was flown.",
            digits=1,
        ),
        Column(
            "median_block_overrun",
            "double",
            "Median of block minutes above schedule; null when none was flown.",
            digits=1,
        ),
    ],
    partition="flight_date",
    layer="analysis",
    key=["flight_date", "origin", "dest", "carrier"],
    pipeline=flights,
    owner="team:flight-analytics",
    audits=[
        audit.not_null("origin", "dest", "carrier"),
        audit.unique(),
        audit.row_count(at_least=150, at_most=600),
        audit.volume(within=0.25, days=28),  # a window moves by one day of 28, so its routes change slowly
        audit.between("days_scheduled", 1, 28),
        audit.between("scheduled", 1, 1_000),
        audit.between("late_rate", 0, 1),
        audit.sql("every_departure_has_one_outcome", "scheduled = flown + cancelled + diverted"),
        audit.sql("late_within_flown", "late <= flown and (flown = 0) = (late_rate is null)"),
        # Only the first four weeks have less behind them, and windows with a day that was declared a gap.
        audit.sql_result(
            "window_is_whole",
            f"max(days_scheduled) - least(28, date_diff('day', date '{START}', min(flight_date)) + 1)",
            at_least=0,
            severity="warn",
        ),
    ],
    sla=Sla(due="07:00", target=0.95, timezone="America/New_York", since=SINCE),
    value=Value(
        "network planning",
        usd_per_month=analyst_hours(8),
        why="which routes to look at; assumed: two analyst hours a week of adding up",
        review_by=REVIEW,
    ),
)

build_route_28d = sql_table(route_28d, "route_28d.sql", departures=departures.last(days=28))
