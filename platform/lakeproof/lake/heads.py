"""What is published, asked again and again at little cost: what a commit did not touch is not read twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from sqlalchemy import select
from sqlalchemy.orm import Session

from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import RUN
from lakeproof.lake.live import run_of
from lakeproof.lake.manifests import listed_manifests, live_files
from lakeproof.lake.replace import day_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from pyiceberg.io import FileIO
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day

KEPT_MANIFESTS = 20_000
"""A manifest holds a month or more of a table: enough for a thousand tables of a year and a half."""


def heads(lake: Lake, names: Collection[str]) -> dict[str, str]:
    """Return which commit each table is at, as the location of its metadata; a table that is not there is left out.

    In a SQL catalog that is one query for all of them.

    Args:
        lake: The lake.
        names: The tables' names.

    Raises:
        LakeError: The catalog cannot be used.
    """
    catalog = lake.catalog
    if not isinstance(catalog, SqlCatalog):
        found = {name: lake.find(name) for name in names}
        return {name: table.metadata_location for name, table in found.items() if table is not None}
    listed = select(IcebergTables.table_namespace, IcebergTables.table_name, IcebergTables.metadata_location).where(
        IcebergTables.catalog_name == catalog.name
    )
    with lake_faults(f"asking {lake.where} for its tables"), Session(catalog.engine) as session:
        at = {f"{namespace}.{table}": location for namespace, table, location in session.execute(listed)}
    return {name: at[name] for name in names if at.get(name) is not None}


@dataclass(frozen=True)
class Heads:
    """Tables as they are at the commits that they were at at one instant.

    Args:
        lake: The lake.
        at: The commit of each table, from `heads`.
        loaded: Each table with the commit that it was loaded at; kept by the caller from one look to the next, so that
            a table is loaded anew only when its head moved.
    """

    lake: Lake
    at: Mapping[str, str]
    loaded: dict[str, tuple[str, IcebergTable]]

    def is_loaded(self, name: str) -> bool:
        """Whether nothing of a table is to be read: it was loaded at its head, or is not there."""
        return self.loaded.get(name, (None,))[0] == self.at.get(name)

    def find(self, name: str) -> IcebergTable | None:
        """Return the table of that name, or None.

        Raises:
            LakeError: The catalog cannot be used.
        """
        if (head := self.at.get(name)) is None:
            return None
        if not self.is_loaded(name):
            if (table := self.lake.find(name)) is None:
                return None
            self.loaded[name] = head, table
        return self.loaded[name][1]


def published_runs(table: IcebergTable, days: Sequence[date] | None = None) -> dict[Day, str]:
    """Return the published days of a table as it was loaded, each with the run that published it.

    A day of another engine has a name made from its files in place of a run, which is another for other files. What
    each manifest says is kept, so that a commit costs what it wrote anew.

    Args:
        table: The Iceberg table.
        days: Only these, in order; None for all.

    Raises:
        LakeError: The table's files cannot be read.
    """
    head = table.current_snapshot()
    if head is None:
        return {}
    runs: dict[Day, set[str]] = {}
    wanted = None if days is None else set(days)
    with lake_faults(f"reading what is published of {'.'.join(table.name())}"):
        for listed in listed_manifests(table.io, head):
            if days is None or listed.may_hold(days):
                for day, run in _runs_in(_Manifest(listed.manifest.manifest_path, listed.manifest, table.io)):
                    if wanted is None or day in wanted:
                        runs.setdefault(day, set()).add(run)
    return {day: _one_name(found) for day, found in runs.items()}


def _one_name(found: Collection[str]) -> str:
    """Return the run of a day's files, or a name for files that are not of one run."""
    name = next(iter(found))
    if len(found) == 1 and RUN.fullmatch(name):
        return name
    return f"files-{hashlib.sha256(' '.join(sorted(found)).encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class _Manifest:
    path: str
    manifest: ManifestFile = field(compare=False)
    io: FileIO = field(compare=False)


@lru_cache(maxsize=KEPT_MANIFESTS)
def _runs_in(source: _Manifest) -> tuple[tuple[Day, str], ...]:
    """Return the days that a manifest has files of, each with the run in their names, else the files' own names.

    It is kept: a manifest never changes.
    """
    files = live_files(source.io, source.manifest)
    return tuple({(day_of(file), run_of(file.file_path) or file.file_path) for file in files})
