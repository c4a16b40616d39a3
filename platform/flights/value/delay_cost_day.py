"""What late arrivals cost each day, by airline and, as far as departures from New York can tell, by cause.

The data names no cause. Each minute of late arrival gets one of four, which add up as `flights.carrier_day` counts:

- `after_departure`: lost in taxi or in the air. Arithmetic, and certain.
- `aircraft_not_back`: at the gate, until the aircraft could be back from where it had flown that day. Its way back is
  not in the data, so this is an inference.
- `adverse_weather_hour`: at the gate, in an hour of adverse weather. A coincidence in time, and no proof.
- `unattributed`: the rest.

Cancelled and diverted flights are counted in `flights.carrier_day` and have no price here: a cost a minute of delay
says nothing about them.
"""

from __future__ import annotations

import duckdb  # noqa: TC002 - the audit's annotation says in which form it wants the rows
import polars as pl

from flights import rates
from flights.analysis.carrier_day import carrier_day
from flights.days import SINCE
from flights.pipeline import flights
from flights.transformation.departures import departures
from lakeproof import Column, Metric, Sla, Table, Value, audit, daily_table

CAUSES = ["after_departure", "aircraft_not_back", "adverse_weather_hour", "unattributed"]

ROUND_TRIP_MINUTES = 45
"""What two turn-rounds and their taxi take at the least: the quickest hundredth of those observed took 47."""

# Visibility below 3 miles is instrument flight by definition (aviationweather.gov, Aviation Flight Categories); the
# National Weather Service advises of wind from 31 miles an hour and of gusts from 46. A tenth of an inch of rain an
# hour, and anything that may freeze, are our own choice.
ADVERSE = (
    (pl.col("visib") < 3)  # noqa: PLR2004 - explained above
    | (pl.col("wind_speed") >= 31)  # noqa: PLR2004 - explained above
    | (pl.col("wind_gust") >= 46)  # noqa: PLR2004 - explained above
    | (pl.col("precip") > 0.1)  # noqa: PLR2004 - explained above
    | ((pl.col("precip") > 0) & (pl.col("temp") <= 32))  # noqa: PLR2004 - where water freezes
)


def carriers_that_do_not_add_up(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The causes of each airline add up to its minutes in flights.carrier_day."""
    minutes = "carrier, sum(delay_minutes)::bigint AS by_cause, any_value(carrier_delay_minutes) AS in_carrier_day"
    return rows.aggregate(minutes, "carrier").filter("by_cause IS DISTINCT FROM in_carrier_day")


delay_cost_day = Table(
    "flights.delay_cost_day",
    description="One row per day, airline and cause: minutes of late arrival, and what they cost to operate.",
    columns=[
        Column("flight_date", "date", "Local date of the scheduled departures."),
        Column("carrier", "string", "IATA code of the airline."),
        Column("cause", "string", "after_departure, aircraft_not_back, adverse_weather_hour or unattributed."),
        Column("flights", "int", "Flights with such minutes; a flight may have several causes."),
        Column("delay_minutes", "long", "Minutes of late arrival with that cause; each minute has one."),
        Column("carrier_delay_minutes", "long", "The airline's minutes of late arrival that day, of all causes."),
        Column(
            "usd_per_minute", "decimal(6, 2)", "Dollars a minute: Airlines for America, direct operating cost, 2014."
        ),
        Column("cost_usd", "decimal(14, 2)", "Minutes times that rate, in dollars."),
        Column(
            "cost_usd_without_fuel",
            "decimal(14, 2)",
            "Minutes times the rate less its fuel, in dollars: a low figure, as a gate burns little.",
        ),
    ],
    partition="flight_date",
    layer="value",
    key=["flight_date", "carrier", "cause"],
    pipeline=flights,
    owner="team:flight-economics",
    audits=[
        audit.not_null("carrier", "cause", "delay_minutes", "carrier_delay_minutes", name="not_null_minutes"),
        audit.unique(),
        audit.accepted_values("cause", CAUSES),
        audit.row_count(at_least=10, at_most=64),
        audit.sql("minutes_are_of_flights", "flights >= 1 and delay_minutes >= flights"),
        audit.sql(
            "cost_is_minutes_times_rate",
            "cost_usd = delay_minutes * usd_per_minute and cost_usd_without_fuel < cost_usd",
        ),
        audit.python("adds_up_to_carrier_day", carriers_that_do_not_add_up),
        audit.sql_result("not_a_day_of_disaster", "sum(cost_usd)", at_most=5_000_000, severity="warn"),
    ],
    sla=Sla(due="08:00", target=0.95, timezone="America/New_York", since=SINCE),
    value=Value(
        consumer="operations control",
        usd_per_month=rates.analyst_hours(8),
        why="where money is lost, of which it saves none itself; assumed: eight analyst hours a month of adding up",
        review_by=rates.REVIEW,
    ),
    metrics=[
        Metric(
            "late_arrival_cost",
            "sum(cost_usd)",
            "What the minutes of late arrival cost to operate.",
            unit="USD",
            direction="lower",
            grain=["carrier"],
        ),
    ],
)


@daily_table(delay_cost_day, departures=departures, carriers=carrier_day)
def price_delays(departures: pl.LazyFrame, carriers: pl.LazyFrame) -> pl.LazyFrame:
    """Give each minute of late arrival one cause, and its price."""
    late, left_late = pl.col("arr_delay"), pl.col("dep_delay").clip(lower_bound=0)
    at_gate = pl.min_horizontal(late, left_late)
    waiting = pl.min_horizontal(at_gate, "not_back_minutes")
    adverse = ADVERSE.fill_null(value=False)  # most hours have no gust, so most comparisons are with nothing
    causes = (
        departures.filter(~pl.col("cancelled"))
        .with_columns(not_back_minutes=_minutes_until_back())
        .filter(late > 0)
        .select(
            "flight_date",
            "carrier",
            after_departure=late - at_gate,
            aircraft_not_back=waiting,
            adverse_weather_hour=pl.when(adverse).then(at_gate - waiting).otherwise(0),
            unattributed=pl.when(adverse).then(0).otherwise(at_gate - waiting),
        )
        .unpivot(CAUSES, index=["flight_date", "carrier"], variable_name="cause", value_name="minutes")
        .filter(pl.col("minutes") > 0)
        .group_by("flight_date", "carrier", "cause")
        .agg(flights=pl.len(), delay_minutes=pl.col("minutes").cast(pl.Int64).sum())
    )
    totals = carriers.filter(pl.col("arr_delay_minutes") > 0).select(
        "flight_date", "carrier", carrier_delay_minutes="arr_delay_minutes"
    )
    # Full, so that minutes on one side only leave nulls, which the audits refuse.
    return causes.join(totals, on=["flight_date", "carrier"], how="full", coalesce=True).with_columns(
        usd_per_minute=pl.lit(rates.LATE_MINUTE),
        cost_usd=pl.col("delay_minutes") * pl.lit(rates.LATE_MINUTE),
        cost_usd_without_fuel=pl.col("delay_minutes") * pl.lit(rates.LATE_MINUTE_WITHOUT_FUEL),
    )


def _minutes_until_back() -> pl.Expr:
    """Return how long after its scheduled departure a flight's aircraft could be back from its last flight that day.

    It had to fly as long again, and be turned round twice. Where the flight left before that, some tail number is wrong
    (127 in the year leave before they have landed elsewhere), and the record says nothing.
    """
    order = ["departure_utc", "carrier", "flight", "origin"]
    landed, flew = (
        pl.col(name).shift(1).over("flight_date", "tailnum", order_by=order) for name in ("arrival_utc", "air_time")
    )
    back = landed + pl.duration(minutes=flew + ROUND_TRIP_MINUTES)
    wait = (back - pl.col("scheduled_departure_utc")).dt.total_minutes().clip(lower_bound=0)
    return pl.when(pl.col("departure_utc") >= back).then(wait).otherwise(0)
