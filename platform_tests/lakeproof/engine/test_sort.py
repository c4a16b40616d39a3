from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from lakeproof import Column, Table, audit
from lakeproof.engine.cast import arrow_schema, fit
from lakeproof.engine.sort import in_order
from lakeproof.errors import RowsError

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES: dict[str, list[Any]] = {
    "boolean": [False, True],
    "int": [-1, 2],
    "long": [-(2**40), 2**40],
    "float": [-1.5, 2.5],
    "double": [-1.25, 2.25],
    "decimal(38, 4)": [Decimal("-1.2345"), Decimal("9876543210.1234")],
    "date": [date(1969, 7, 20), date(2024, 2, 29)],
    "time": [time(1, 2, 3, 4), time(23, 59)],
    "timestamp": [datetime(1960, 1, 1), datetime(2024, 1, 1, 1, 2, 3, 4)],  # noqa: DTZ001 - a time without a zone
    "timestamptz": [datetime(1960, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)],
    "string": ["Zürich", "ä"],
    "uuid": [uuid.UUID(int=1), uuid.UUID(int=2**127)],
    "binary": [b"\x00", b"\xff"],
}


def table(**more: Any) -> Table:
    """Return a table without days."""
    fields: dict[str, Any] = {"layer": "tests", "owner": "team:tests", "audits": [audit.row_count(at_least=0)]}
    return Table("tests.ordered", **{**fields, **more})


@pytest.mark.parametrize("type_name", VALUES)
def test_values_of_every_type_survive_and_nulls_come_first(type_name: str) -> None:
    """Whatever its type, a value comes out as it went in, in order, after the nulls."""
    low, high = VALUES[type_name]
    contract = table(columns=[Column("value", type_name)], sort=["value"])
    schema = arrow_schema(contract.columns)
    rows = [pa.RecordBatch.from_pylist([{"value": v}], schema=schema) for v in (high, None, low)]

    batches = list(in_order(rows, contract, "tests.ordered"))

    assert pa.Table.from_batches(batches).schema == schema
    assert [row["value"] for batch in batches for row in batch.to_pylist()] == [None, low, high]


def test_days_stay_together() -> None:
    """Rows of several days come out a day at a time, each in its order."""
    contract = table(
        columns=[Column("day", "date"), Column("value", "int")],
        partition="day",
        start="2024-01-01",
        sort=["value desc"],
    )
    days = [date(2024, 1, 1), date(2024, 1, 2)]
    rows = pa.table({"day": [days[1], days[0], days[1]], "value": pa.array([1, 2, 3], pa.int32())})

    found = list(in_order(rows.to_batches(), contract, "tests.ordered"))

    assert [tuple(row.values()) for batch in found for row in batch.to_pylist()] == [
        (days[0], 2),
        (days[1], 3),
        (days[1], 1),
    ]


def test_a_refusal_of_the_rows_stays_what_it_was() -> None:
    """What is wrong with the rows is told as it is, not as a failure of the sort."""
    contract = table(columns=[Column("value", "int")], sort=["value"])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pylist([{"value": 1.5}])

    rows = fit(
        pa.RecordBatchReader.from_batches(pa.schema([("value", pa.float64())]), batches()), contract, "tests.ordered"
    )
    with pytest.raises(RowsError, match=r"column value is double and cannot become int without loss, such as 1\.5"):
        list(in_order(rows, contract, "tests.ordered"))
