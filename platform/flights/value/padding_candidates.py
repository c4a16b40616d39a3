"""The scheduled departures where a longer schedule saves most, with the money.

A late minute costs `rates.LATE_MINUTE`; a minute of padding costs `rates.PADDED_MINUTE` on every flight, used or not.
The cheapest padding is therefore a quantile of the arrival delays (a newsvendor's stock), here of four weeks.

The saving is what it would have been, had the padding been in place. Hindsight flatters: on six dates in 2013 the
top 50 promised $3.62 million, and would have earned $1.02 million in the four weeks after, $75,000 to $359,000 each.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from flights import rates
from flights.days import SINCE
from flights.pipeline import flights
from flights.transformation.departures import departures
from lakeproof import Column, Sla, Table, Value, Window, audit, daily_table

SCHEDULE = ["carrier", "flight", "origin", "dest", "scheduled_time"]
STEP, MOST = 5, 30
"""Minutes: schedules are made in steps of five, and no one pads beyond half an hour."""

FEWEST_FLOWN = 10
STILL_SCHEDULED = timedelta(days=6)
"""How long ago a candidate was last scheduled, at most: what is no longer in the timetable cannot be padded."""

BEST_QUANTILE = float(1 - rates.PADDED_MINUTE / rates.LATE_MINUTE)

padding_candidates = Table(
    "flights.padding_candidates",
    description="One row per day and departure in the timetable whose last four weeks say that padding it saves money.",
    columns=[
        Column(
            "flight_date",
            "date",
            "Local date on which the four weeks end, itself included. Windows overlap: do not add days up.",
        ),
        Column("carrier", "string", "IATA code of the airline."),
        Column("flight", "int", "Flight number."),
        Column("origin", "string", "FAA code of the airport of departure."),
        Column("dest", "string", "FAA code of the scheduled destination."),
        Column("scheduled_time", "string", "Scheduled departure on the clock in New York, HH:MM."),
        Column("rank", "int", "1 for the greatest net saving of the day."),
        Column("scheduled", "int", "Departures scheduled in the window."),
        Column("flown", "int", "Of these, arrived; at least ten, or there is no candidate."),
        Column("late", "int", "Of these, 15 minutes late or more."),
        Column("median_arr_delay", "double", "Median arrival delay in minutes.", digits=1),
        Column("median_dep_delay", "double", "Median departure delay in minutes.", digits=1),
        Column("median_block_overrun", "double", "Median of block minutes above schedule.", digits=1),
        Column("pad_minutes", "int", "Minutes to add: 5 to 30, in steps of 5."),
        Column("delay_minutes_saved", "long", "Minutes of late arrival that the padding would have taken up."),
        Column("gross_saving_usd", "decimal(14, 2)", "Those minutes times the cost of a late minute, in dollars."),
        Column(
            "pad_cost_usd",
            "decimal(14, 2)",
            "Crew and ownership for the added minutes of every flown departure, in dollars.",
        ),
        Column("net_saving_usd", "decimal(14, 2)", "Dollars in the four weeks, had the padding been in place."),
        Column(
            "remedy", "string", "lengthen_block where minutes are lost under way, retime_departure where at the gate."
        ),
    ],
    partition="flight_date",
    layer="value",
    key=["flight_date", *SCHEDULE],
    pipeline=flights,
    owner="team:flight-economics",
    allow_empty=True,  # nothing has flown ten times in the first nine days, and a good season may have no candidate
    audits=[
        audit.not_null(*SCHEDULE, "rank", name="not_null_schedule"),
        audit.unique(),
        audit.unique("rank"),
        audit.row_count(at_most=1_500),
        audit.accepted_values("pad_minutes", list(range(STEP, MOST + 1, STEP))),
        audit.accepted_values("remedy", ["lengthen_block", "retime_departure"]),
        audit.between("flown", FEWEST_FLOWN, 28),
        audit.sql("late_within_flown", "late <= flown and flown <= scheduled"),
        audit.sql("padding_pays", "net_saving_usd > 0"),
        audit.sql("net_is_gross_less_cost", "net_saving_usd = gross_saving_usd - pad_cost_usd"),
    ],
    sla=Sla(due="08:00", target=0.95, timezone="America/New_York", since=SINCE),
    value=Value(
        consumer="schedule planning",
        usd_per_month=75_000,
        why="which departures to pad; the top 50 would have earned so much in the four weeks after the worst of six "
        "dates (170,000 in the mean), by what a late minute costs, says Airlines for America",
        review_by=rates.REVIEW,
    ),
)


@daily_table(padding_candidates, departures=departures.last(days=28))
def find_padding_candidates(window: Window, departures: pl.LazyFrame) -> pl.LazyFrame:
    """Find the cheapest padding of each departure in the timetable, and keep those where it pays."""
    delay = pl.col("arr_delay")
    candidates = (
        departures.with_columns(scheduled_time=pl.col("scheduled_departure").dt.strftime("%H:%M"))
        .group_by(SCHEDULE)
        .agg(
            last_scheduled=pl.col("flight_date").max(),
            scheduled=pl.len(),
            flown=delay.count(),
            late=(delay >= 15).sum(),  # noqa: PLR2004 - the quarter of an hour by which a flight counts as late
            median_arr_delay=delay.median(),
            median_dep_delay=pl.col("dep_delay").median(),
            median_block_overrun=(pl.col("block_minutes") - pl.col("scheduled_block_minutes")).median(),
            best=delay.quantile(BEST_QUANTILE, "equiprobable"),  # a delay that occurred, as SQL's quantile_disc
            delays=delay.drop_nulls(),
        )
        .filter(pl.col("flown") >= FEWEST_FLOWN, pl.col("last_scheduled") >= window.day - STILL_SCHEDULED)
        .with_columns(pad_minutes=(pl.col("best") // STEP * STEP).clip(upper_bound=MOST).cast(pl.Int32))
        .filter(pl.col("pad_minutes") >= STEP)
    )
    taken_up = pl.min_horizontal(pl.col("delays").clip(lower_bound=0), "pad_minutes").cast(pl.Int64)
    saved = (
        candidates.select(*SCHEDULE, "pad_minutes", "delays")
        .explode("delays")
        .group_by(SCHEDULE)
        .agg(delay_minutes_saved=taken_up.sum())
    )
    lost_under_way = pl.col("median_block_overrun") >= pl.col("median_dep_delay")
    return (
        candidates.join(saved, on=SCHEDULE)
        .with_columns(
            flight_date=pl.lit(window.day),
            gross_saving_usd=pl.col("delay_minutes_saved") * pl.lit(rates.LATE_MINUTE),
            pad_cost_usd=pl.col("flown").cast(pl.Int64) * pl.col("pad_minutes") * pl.lit(rates.PADDED_MINUTE),
            remedy=pl.when(lost_under_way).then(pl.lit("lengthen_block")).otherwise(pl.lit("retime_departure")),
        )
        .with_columns(net_saving_usd=pl.col("gross_saving_usd") - pl.col("pad_cost_usd"))
        .sort("net_saving_usd", *SCHEDULE, descending=[True, *[False] * len(SCHEDULE)])
        .with_row_index("rank", offset=1)
        .select(padding_candidates.column_names)
    )
