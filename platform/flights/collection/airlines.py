"""The airlines, as delivered."""

from __future__ import annotations

import pyarrow as pa

from flights.pipeline import flights
from lakeproof import Column, DatabaseSource, Table, audit, daily_table

FIELDS = [
    Column("carrier", "string", "IATA code of the airline."),
    Column("name", "string", "Name of the airline."),
]

airlines = Table(
    "flights.airlines",
    description="One row per airline that left New York in 2013.",
    columns=FIELDS,
    layer="collection",
    key=["carrier"],
    pipeline=flights,
    audits=[
        audit.not_null("carrier", "name"),
        audit.unique(),
        audit.matches("carrier", "[A-Z0-9]{2}"),
        audit.row_count(at_least=10),
    ],
)


@daily_table(airlines, delivered=DatabaseSource("airlines", FIELDS, dsn_env="FLIGHTS_DATABASE"))
def collect_airlines(delivered: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Take every row as it is delivered."""
    return delivered
