from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from flights.collection.airlines import airlines, collect_airlines

if TYPE_CHECKING:
    from lakeproof import Lakehouse


def test_every_airline_is_published_as_delivered(lakehouse: Lakehouse) -> None:
    """All 16 airlines of the package are there, with their names."""
    result = dg.materialize_to_memory([collect_airlines], resources={"lakehouse": lakehouse})

    rows = lakehouse.read(airlines).sort("carrier")

    assert result.success
    assert rows.height == 16
    assert rows.row(0) == ("9E", "Endeavor Air Inc.")
    assert rows.row(-1) == ("YV", "Mesa Airlines Inc.")
