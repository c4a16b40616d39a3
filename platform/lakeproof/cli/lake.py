"""The lake as commands see it that need no code location: they start in a second and work while the code is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.errors import UnknownTableError, did_you_mean
from lakeproof.lake.catalog import Lake
from lakeproof.lake.faults import lake_faults

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable


def open_lake() -> Lake:
    """Open the lake of this working directory, by the same configuration as the resource's defaults."""
    return Lake.default()


def list_tables(lake: Lake) -> list[str]:
    """Return the names of all tables in the lake, in order."""
    with lake_faults("listing the tables"):
        return sorted(
            ".".join(name)
            for namespace in lake.catalog.list_namespaces()
            for name in lake.catalog.list_tables(namespace)
        )


def table_named(lake: Lake, name: str) -> IcebergTable:
    """Return a table by name.

    Raises:
        UnknownTableError: The lake has none of that name.
    """
    table = lake.find(name)
    if table is None:
        known = list_tables(lake)
        hint = did_you_mean(name, known) if known else "The lake is empty."
        msg = f"There is no table {name!r} in the lake at {lake.where}. {hint}"
        raise UnknownTableError(msg, next_step=f"if it is declared, make it: lakeproof run {name}")
    return table
