"""The example as it would be with two definitions too many, and a pipeline that nobody uses: a branch of the tests.

It holds the tables of `flights`, and beside them, each a mistake that is easily made:

- `waste.airline_day`: `flights.carrier_day` once more, by somebody who did not know of it, spelt differently.
- On it, the metric `punctuality`: what `flights.carrier_day` has under the name `on_time_share`.
- `waste.taxi_day` and `waste.taxi_28d`: made every day, for a report that was given up. Nobody reads them.

`lakeproof duplicates` and `lakeproof value` find them: `test_wasteful.py`.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from flights.analysis.carrier_day import carrier_day
from flights.definitions import TABLES
from flights.pipeline import flights
from flights.transformation.departures import departures
from lakeproof import Column, Lakehouse, Metric, Table, audit, sql_table

STATEMENTS = Path(__file__).with_name("wasteful")

airline_day = Table(
    "waste.airline_day",
    description="One row per airline and day: flights.carrier_day, once more.",
    columns=list(carrier_day.columns),
    partition="flight_date",
    layer="analysis",
    key=["flight_date", "carrier"],
    pipeline=flights,
    audits=[audit.not_null("carrier"), audit.unique()],
    metrics=[
        Metric(
            "punctuality",
            "sum(on_time) / nullif(sum(flown), 0)",
            "Share of the flights that arrived which arrived less than 15 minutes late.",
            unit="1",
            direction="higher",
            grain=["carrier"],
        ),
    ],
)
taxi_day = Table(
    "waste.taxi_day",
    description="One row per airport and day: minutes between the gate and the air.",
    columns=[
        Column("flight_date", "date", "Local date of the scheduled departures."),
        Column("origin", "string", "FAA code of the airport of departure."),
        Column("taxi_minutes", "long", "Minutes of a block that were not in the air."),
        Column("flown", "int", "Departures that arrived."),
    ],
    partition="flight_date",
    layer="analysis",
    key=["flight_date", "origin"],
    pipeline=flights,
    audits=[audit.unique()],
)
taxi_28d = Table(
    "waste.taxi_28d",
    description="One row per airport and day: minutes between the gate and the air, in the four weeks that end then.",
    columns=[
        Column("flight_date", "date", "Local date on which the four weeks end, itself included."),
        Column("origin", "string", "FAA code of the airport of departure."),
        Column("taxi_minutes", "double", "Mean minutes of a block that were not in the air.", digits=2),
    ],
    partition="flight_date",
    layer="analysis",
    key=["flight_date", "origin"],
    pipeline=flights,
    audits=[audit.unique()],
)

WASTE = [
    sql_table(airline_day, "airline_day.sql", search_path=[STATEMENTS], departures=departures),
    sql_table(taxi_day, "taxi_day.sql", search_path=[STATEMENTS], departures=departures),
    sql_table(taxi_28d, "taxi_28d.sql", search_path=[STATEMENTS], days=taxi_day.last(days=28)),
]

defs = dg.Definitions(assets=[*TABLES, *WASTE], resources={"lakehouse": Lakehouse()}, executor=dg.in_process_executor)
