"""The lake as commands see it that look at it by table names, and work while the code is broken."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lakeproof.cli.terminal import echo
from lakeproof.errors import LakeproofError, UnknownTableError, UsageError, did_you_mean
from lakeproof.lake.catalog import Lake, default_home

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.cli.locations import Location


def open_lake(workspace: str) -> Lake:
    """Open the lake that the workspace's tables live in; where that does not load, the one of this configuration."""
    return open_workspace(workspace)[0]


def open_workspace(workspace: str) -> tuple[Lake, list[Location]]:
    """Open a workspace's lake and its code locations; none where it does not load.

    Dagster is only imported where there is a workspace.
    """
    if not Path(workspace).is_file():
        return _existing(), []
    locations = import_module("lakeproof.cli.locations")
    try:
        loaded: list[Location] = locations.load_locations(workspace)
    except LakeproofError as error:
        lake = _existing()
        echo(f"{error}\nLooking at {lake.where} meanwhile.", err=True)
        return lake, []
    return (loaded[0].lake if loaded else Lake.default()), loaded


def _existing() -> Lake:
    """Open the lake of this configuration; to look at a lake must not make one."""
    lake = Lake.configured()
    if lake is None and not (default_home() / "catalog.db").exists():
        msg = f"There is no lake at {default_home()}, and no workspace here that names one."
        raise UsageError(msg, next_step="go where workspace.yaml is, or name it: -w PATH, or set LAKEPROOF_HOME")
    return lake or Lake.default()


def table_named(lake: Lake, name: str) -> IcebergTable:
    """Return a table by name.

    Raises:
        UnknownTableError: The lake has none of that name.
    """
    table = lake.find(name)
    if table is None:
        known = lake.tables()
        hint = did_you_mean(name, known) if known else "The lake is empty."
        msg = f"There is no table {name!r} in the lake at {lake.where}. {hint}"
        raise UnknownTableError(msg, next_step=f"if it is declared, make it: lakeproof run {name}")
    return table
