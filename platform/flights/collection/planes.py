"""The aircraft, as delivered."""

from __future__ import annotations

import pyarrow as pa

from flights.pipeline import flights
from lakeproof import Column, DatabaseSource, Table, audit, daily_table

FIELDS = [
    Column("tailnum", "string", "Registration of the aircraft."),
    Column("year", "int", "Year of manufacture; null for some."),
    Column("type", "string", "Kind of aircraft, such as Fixed wing multi engine."),
    Column("manufacturer", "string", "Manufacturer, as the registry writes it."),
    Column("model", "string", "Model, as the registry writes it."),
    Column("engines", "int", "Number of engines."),
    Column("seats", "int", "Number of seats."),
    Column("speed", "int", "Cruising speed in miles an hour; null for nearly all."),
    Column("engine", "string", "Kind of engine, such as Turbo-fan."),
]

planes = Table(
    "flights.planes",
    description="One row per aircraft in the registry. Many that left New York in 2013 are not in it.",
    columns=FIELDS,
    layer="collection",
    key=["tailnum"],
    pipeline=flights,
    audits=[
        audit.not_null("tailnum", "type", "manufacturer", "model", "engines", "seats", "engine"),
        audit.unique(),
        audit.matches("tailnum", "N[0-9A-Z]+"),
        audit.between("engines", 1, 4),
        audit.between("seats", 1, 600),
        audit.row_count(at_least=3_000),
        audit.not_null("year", severity="warn"),
    ],
)


@daily_table(planes, delivered=DatabaseSource("planes", FIELDS, dsn_env="FLIGHTS_DATABASE"))
def collect_planes(delivered: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Take every row as it is delivered."""
    return delivered
