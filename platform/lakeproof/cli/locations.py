"""The tables of a workspace: its code locations, imported in this process."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.code_pointer import load_python_file, load_python_module
from dagster._core.workspace.load_target import WorkspaceFileTarget

from lakeproof.asset import TableAsset, table_assets
from lakeproof.errors import LakeproofError, UnknownTableError, UsageError, did_you_mean
from lakeproof.lakehouse import KEY, Lakehouse
from lakeproof.order import upstream_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakeproof.lake.catalog import Lake


class LocationError(LakeproofError):
    """A code location cannot be loaded."""


@dataclass(frozen=True)
class Location:
    """A code location, loaded.

    Args:
        name: Its name, as the UI shows it.
        definitions: Its Dagster definitions.
        origin: Dagster's address of it, so that a run says where it belongs.
        tables: Its tables.
    """

    name: str
    definitions: dg.Definitions
    origin: Any
    tables: tuple[TableAsset, ...]

    @cached_property
    def lake(self) -> Lake:
        """The lake its tables live in, opened anew: the resource itself may have been opened for another folder."""
        resource: Lakehouse = (self.definitions.resources or {})[KEY]
        return Lakehouse(home=resource.home, catalog_name=resource.catalog_name, output=resource.output).lake


def load_locations(workspace: str) -> list[Location]:
    """Load every code location of a workspace file.

    Raises:
        UsageError: There is no such file.
        LocationError: A code location fails to import.
    """
    if not Path(workspace).is_file():
        msg = f"There is no {workspace} in {Path.cwd()}."
        raise UsageError(msg, next_step="run the command where workspace.yaml is, or name it: -w PATH")
    return [_load(origin) for origin in WorkspaceFileTarget(paths=[workspace]).create_origins()]


def _load(origin: Any) -> Location:
    target = origin.loadable_target_origin
    what = target.module_name or target.python_file or target.package_name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.SupersessionWarning)
            if target.python_file:
                module = load_python_file(target.python_file, target.working_directory)
            else:
                module = load_python_module(what, target.working_directory)
    except LakeproofError:
        raise
    except Exception as error:
        cause = error.__cause__ or error
        msg = f"Code location {origin.location_name} does not load: {type(cause).__name__}: {cause}"
        raise LocationError(msg, next_step=f"mend {what}, then run the same command again") from error
    found = [value for value in vars(module).values() if isinstance(value, dg.Definitions)]
    if len(found) != 1:
        msg = f"Code location {origin.location_name} has {len(found)} Definitions, not one."
        raise LocationError(msg, next_step=f"define exactly one in {what}")
    try:
        keys = found[0].resolve_all_asset_keys()
        upstream_first(table_assets(keys))  # Dagster tells a circle by a traceback
        found[0].resolve_implicit_global_asset_job_def()
    except dg.DagsterError as error:
        msg = f"Code location {origin.location_name}: {str(error).strip().splitlines()[0]}"
        remedy = f"mend the Definitions in {what}; tables need resources={{'lakehouse': Lakehouse()}}"
        raise LocationError(msg, next_step=remedy) from error
    return Location(origin.location_name, found[0], origin, tuple(table_assets(keys)))


def find_tables(locations: Sequence[Location], names: Iterable[str]) -> list[tuple[Location, TableAsset]]:
    """Return tables by name, or all of them, upstream first.

    Raises:
        UnknownTableError: No location has a table of that name.
    """
    known = {made.table.name: (location, made) for location in locations for made in location.tables}
    wanted = list(names) or list(known)
    for name in wanted:
        if name not in known:
            msg = f"There is no table {name!r}. {did_you_mean(name, known)}"
            raise UnknownTableError(msg, next_step="lakeproof status lists every table")
    ordered = upstream_first([made for _, made in known.values()])
    return [known[made.table.name] for made in ordered if made.table.name in wanted]
