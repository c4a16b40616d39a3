"""Every scheduled departure with its times as instants, its outcome, and the weather of its hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from flights.collection.airports import airports
from flights.collection.raw_departures import raw_departures
from flights.collection.raw_weather import raw_weather
from flights.days import SINCE
from flights.pipeline import flights
from lakeproof import Column, Metric, Sla, Table, audit, daily_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NEW_YORK = "America/New_York"
ATLANTIC = "America/Puerto_Rico"
ATLANTIC_AIRPORTS = ["BQN", "PSE", "SJU", "STT"]
"""Destinations that `flights.airports` lacks: Puerto Rico and the Virgin Islands, one zone without daylight saving."""

MOST_WIND = 200
"""Miles an hour above which a wind speed is a typing error: the data has one of 1,048, and none other above 43."""

departures = Table(
    "flights.departures",
    description="One row per scheduled departure from New York, cleaned, keyed and joined with the hour's weather.",
    columns=[
        Column("flight_date", "date", "Local date of the scheduled departure."),
        Column("carrier", "string", "IATA code of the airline."),
        Column("flight", "int", "Flight number."),
        Column("origin", "string", "FAA code of the airport of departure."),
        Column("dest", "string", "FAA code of the scheduled destination."),
        Column("tailnum", "string", "Registration of the aircraft; null for some cancelled flights."),
        Column("distance", "int", "Miles between the airports."),
        Column("scheduled_departure", "timestamp", "Scheduled departure, local time in New York."),
        Column("scheduled_departure_utc", "timestamptz", "Scheduled departure, as an instant."),
        Column("departure", "timestamp", "Departure, local time in New York; null when cancelled."),
        Column("departure_utc", "timestamptz", "Departure, as an instant; null when cancelled."),
        Column("dest_timezone", "string", "IANA time zone of the destination."),
        Column("scheduled_arrival", "timestamp", "Scheduled arrival, local time at the destination."),
        Column("scheduled_arrival_utc", "timestamptz", "Scheduled arrival, as an instant."),
        Column("arrival", "timestamp", "Arrival, local time at the destination; null unless flown."),
        Column("arrival_utc", "timestamptz", "Arrival, as an instant; null unless flown."),
        Column(
            "reported_arr_time",
            "int",
            "Local time of arrival as reported, HHMM to 2400; of a diverted flight, of an unknown day.",
        ),
        Column(
            "dep_delay",
            "int",
            "Minutes between scheduled and actual departure; negative is early; null when cancelled.",
        ),
        Column(
            "arr_delay", "int", "Minutes between scheduled and actual arrival; negative is early; null unless flown."
        ),
        Column("air_time", "int", "Minutes in the air; null unless flown."),
        Column("scheduled_block_minutes", "int", "Minutes from scheduled departure to scheduled arrival."),
        Column("block_minutes", "int", "Minutes from departure to arrival; null unless flown."),
        Column("cancelled", "boolean", "It never left the gate."),
        Column(
            "diverted",
            "boolean",
            "It left the gate and no arrival delay is reported: diverted, or called back; the data cannot tell.",
        ),
        Column(
            "weather_hour_utc",
            "timestamptz",
            "The hour of the scheduled departure, whose weather is joined, as an instant.",
        ),
        Column("weather_found", "boolean", "Whether that hour was observed; if not, every weather column is null."),
        Column("temp", "double", "Temperature in degrees Fahrenheit."),
        Column("dewp", "double", "Dew point in degrees Fahrenheit."),
        Column("humid", "double", "Relative humidity in percent."),
        Column("wind_dir", "int", "Direction the wind comes from in degrees; null when it varies."),
        Column("wind_speed", "double", f"Wind in miles an hour; null when the observation is above {MOST_WIND}."),
        Column("wind_gust", "double", "Gusts in miles an hour; null when there were none."),
        Column("precip", "double", "Precipitation of the hour in inches."),
        Column("pressure", "double", "Pressure at sea level in millibars."),
        Column("visib", "double", "Visibility in statute miles, at most 10."),
    ],
    partition="flight_date",
    layer="transformation",
    key=["flight_date", "carrier", "flight", "origin", "scheduled_departure"],
    pipeline=flights,
    audits=[
        audit.not_null(
            "carrier", "flight", "origin", "dest", "scheduled_departure", "scheduled_departure_utc", name="not_null_key"
        ),
        # An unknown zone and a scheduled time that the clock skipped both end here.
        audit.not_null("scheduled_arrival", "scheduled_arrival_utc"),
        audit.not_null("cancelled", "diverted", "weather_found"),
        audit.unique(),
        audit.row_count(at_least=300, at_most=1_500),
        audit.volume(within=0.5, days=28),
        audit.sql("leaves_on_its_day", "scheduled_departure::date = flight_date"),
        audit.sql("cancelled_never_left", "not cancelled or (departure is null and arrival is null and not diverted)"),
        audit.sql("diverted_left_and_never_arrived", "not diverted or (departure is not null and arrival is null)"),
        audit.sql("flown_arrived", "cancelled or diverted or (arrival is not null and tailnum is not null)"),
        audit.sql("arrives_after_departure", "arrival_utc > departure_utc"),
        audit.sql("block_is_longer_than_air_time", "block_minutes > air_time"),
        audit.sql("delays_explain_the_block", "block_minutes - scheduled_block_minutes = arr_delay - dep_delay"),
        audit.between("scheduled_block_minutes", 20, 1_000),
        audit.between("wind_speed", 0, MOST_WIND),
        audit.between("dep_delay", -60, 600, severity="warn"),
        audit.sql("slower_than_600_mph", "distance * 60 / air_time <= 600", severity="warn"),
        # 2013-03-09 has one that is reported at 02:03 on the night when the clock went from 02:00 to 03:00.
        audit.sql(
            "arrival_as_reported",
            "hour(arrival) * 100 + minute(arrival) = reported_arr_time % 2400",
            severity="warn",
        ),
        audit.sql_result("weather_is_known", "avg(weather_found::int)", at_least=0.8, severity="warn"),
    ],
    sla=Sla(due="06:00", target=0.95, timezone=NEW_YORK, since=SINCE),
    metrics=[
        Metric(
            "cancellation_rate",
            "count(*) filter (where cancelled) / count(*)",
            "Share of the scheduled departures that never left the gate.",
            unit="1",
            direction="lower",
            grain=["carrier"],
        ),
        Metric(
            "mean_arr_delay",
            "avg(arr_delay)",
            "Mean arrival delay of the flights that arrived; an early arrival is below zero.",
            unit="minutes",
            direction="lower",
            grain=["carrier"],
        ),
    ],
)


@daily_table(departures, raw=raw_departures, weather=raw_weather, airports=airports)
def build_departures(raw: pl.LazyFrame, weather: pl.LazyFrame, airports: pl.DataFrame) -> pl.LazyFrame:
    """Turn delays and local clock times into instants, and join the weather of the scheduled hour.

    Departures are computed from the schedule and the delay, because a local clock time alone has no date. So are
    arrivals: the scheduled one is the first occurrence of its clock time after the scheduled departure.
    """
    zones = [*airports["tzone"].drop_nulls().unique().sort(), ATLANTIC]
    known = airports.lazy().select(dest="faa", dest_timezone="tzone")
    atlantic = pl.when(pl.col("dest").is_in(ATLANTIC_AIRPORTS)).then(pl.lit(ATLANTIC))
    hhmm, minutes = pl.col("sched_arr_time"), pl.duration(minutes=pl.col("minute"))
    same_day = pl.col("flight_date").cast(pl.Datetime("us")) + pl.duration(hours=hhmm // 100, minutes=hhmm % 100)
    observed = weather.drop("weather_date", "year", "month", "day", "hour").with_columns(
        pl.when(pl.col("wind_speed") <= MOST_WIND).then("wind_speed"), weather_found=pl.lit(value=True)
    )
    return (
        raw.join(known, on="dest", how="left")
        .with_columns(
            pl.coalesce("dest_timezone", atlantic),
            scheduled_departure_utc=pl.col("time_hour") + minutes,
            cancelled=pl.col("dep_time").is_null(),
            diverted=pl.col("dep_time").is_not_null() & pl.col("arr_delay").is_null(),
        )
        .with_columns(today=_instant(same_day, zones), tomorrow=_instant(same_day + pl.duration(days=1), zones))
        .with_columns(
            departure_utc=pl.col("scheduled_departure_utc") + pl.duration(minutes="dep_delay"),
            scheduled_arrival_utc=pl.when(pl.col("today") > pl.col("scheduled_departure_utc"))
            .then("today")
            .otherwise("tomorrow"),
        )
        .with_columns(arrival_utc=pl.col("scheduled_arrival_utc") + pl.duration(minutes="arr_delay"))
        .with_columns(
            scheduled_departure=_clock("scheduled_departure_utc", NEW_YORK),
            departure=_clock("departure_utc", NEW_YORK),
            scheduled_arrival=_clock_there("scheduled_arrival_utc", zones),
            arrival=_clock_there("arrival_utc", zones),
            scheduled_block_minutes=_minutes_between("scheduled_departure_utc", "scheduled_arrival_utc"),
            block_minutes=_minutes_between("departure_utc", "arrival_utc"),
        )
        .join(observed, on=["origin", "time_hour"], how="left")
        .with_columns(pl.col("weather_found").fill_null(value=False))
        .rename({"arr_time": "reported_arr_time", "time_hour": "weather_hour_utc"})
        .select(departures.column_names)
    )


def _instant(clock: pl.Expr, zones: Iterable[str]) -> pl.Expr:
    """Return a clock time at the destination as an instant; null when the zone is unknown or skipped that time.

    A time that occurs twice is the later one, in standard time.
    """

    def instant(zone: str) -> pl.Expr:
        return clock.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null").dt.convert_time_zone("UTC")

    return _by_zone(zones, instant)


def _clock(instant: str, zone: str) -> pl.Expr:
    """Return an instant as the clock of a zone shows it."""
    return pl.col(instant).dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _clock_there(instant: str, zones: Iterable[str]) -> pl.Expr:
    """Return an instant as the clock at the destination shows it."""
    return _by_zone(zones, lambda zone: _clock(instant, zone))


def _by_zone(zones: Iterable[str], expression: Callable[[str], pl.Expr]) -> pl.Expr:
    """Return for each row the expression of its destination's zone: Polars wants one zone for a whole column."""
    return pl.coalesce(pl.when(pl.col("dest_timezone") == zone).then(expression(zone)) for zone in zones)


def _minutes_between(start: str, end: str) -> pl.Expr:
    return (pl.col(end) - pl.col(start)).dt.total_minutes()
