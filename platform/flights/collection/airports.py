"""The airports, as delivered."""

from __future__ import annotations

import pyarrow as pa

from flights.pipeline import flights
from lakeproof import Column, DatabaseSource, Table, audit, daily_table

FIELDS = [
    Column("faa", "string", "FAA code of the airport."),
    Column("name", "string", "Name of the airport."),
    Column("lat", "double", "Latitude in degrees, as delivered."),
    Column("lon", "double", "Longitude in degrees, as delivered: a few have lost their sign."),
    Column("alt", "int", "Altitude in feet."),
    Column("tz", "int", "Offset of standard time from UTC in hours."),
    Column("dst", "string", "Daylight saving: A as in the US, N none, U unknown."),
    Column("tzone", "string", "IANA time zone; null for three airports."),
]

airports = Table(
    "flights.airports",
    description="One row per airport.",
    columns=FIELDS,
    layer="collection",
    key=["faa"],
    pipeline=flights,
    audits=[
        audit.not_null("faa", "name", "lat", "lon"),
        audit.unique(),
        audit.between("lat", -90, 90),
        audit.between("lon", -180, 180),
        audit.row_count(at_least=1_000),
        audit.not_null("tzone", severity="warn"),
    ],
)


@daily_table(airports, delivered=DatabaseSource("airports", FIELDS, dsn_env="FLIGHTS_DATABASE"))
def collect_airports(delivered: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Take every row as it is delivered."""
    return delivered
