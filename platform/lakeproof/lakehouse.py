"""The one Dagster resource: the lake, opened by configuration, or made anew for a test."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from lakeproof.engine.duck import connect
from lakeproof.errors import UsageError
from lakeproof.lake.catalog import Lake
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.live import View
from lakeproof.lake.used import note_use, reader
from lakeproof.outputs.naming import default_output, on_output
from lakeproof.reading import rows_in
from lakeproof.window import as_day

if TYPE_CHECKING:
    from datetime import date

    from pyiceberg.catalog import Catalog

    from lakeproof.contract import Table

KEY = "lakehouse"
"""The key under which every table asset expects the resource."""

_TEMPORARY: set[str] = set()


class Lakehouse(dg.ConfigurableResource[Any]):
    """The lake that table assets read and publish to.

    Attributes:
        home: A folder with a local catalog and warehouse, whatever PyIceberg's configuration says.
        catalog_name: A catalog of PyIceberg's own configuration.
        output: Where days are published to and read from: `main`, or an output beside it. By default
            `LAKEPROOF_OUTPUT`, so that a developer has the whole platform on an output of their own.

    With neither, the lake is PyIceberg's default catalog, and where that is not configured, a local one under
    `LAKEPROOF_HOME`, or `.lakeproof` in the working directory.
    """

    home: str | None = None
    catalog_name: str | None = None
    output: str | None = None

    @classmethod
    def in_memory(cls) -> Lakehouse:
        """Return an empty lake for a test: its warehouse is a private folder that goes when the lake goes."""
        folder = tempfile.mkdtemp(prefix="lakeproof-")
        lakehouse = cls(home=folder)
        _TEMPORARY.add(folder)
        weakref.finalize(lakehouse, _forget, folder)
        return lakehouse

    @cached_property
    def lake(self) -> Lake:
        """The lake.

        Raises:
            LakeError: The catalog cannot be opened.
            UsageError: The output's name is none, or both a folder and a catalog are given.
        """
        if self.home and self.catalog_name:
            msg = f"Lakehouse has both home={self.home!r} and catalog_name={self.catalog_name!r}."
            raise UsageError(msg, next_step="give one: a folder, or a catalog of PyIceberg's configuration")
        if self.home:
            lake = Lake.local(Path(self.home).resolve())
        else:
            lake = (Lake.configured(self.catalog_name) if self.catalog_name else None) or Lake.default()
        return on_output(lake, self.output or default_output())

    @property
    def catalog(self) -> Catalog:
        """The PyIceberg catalog."""
        return self.lake.catalog

    @property
    def is_temporary(self) -> bool:
        """Whether this is a test's lake, where rows may be put without their table's audits."""
        return self.home in _TEMPORARY

    def read(self, table: Table, day: str | date | None = None, *, consumer: str = "") -> pl.DataFrame:
        """Return what readers of a table see, and leave on record that somebody uses it: once a process and day.

        Args:
            table: The table.
            day: Only that day; None for all.
            consumer: Who reads; by default the Dagster asset that does, else what `LAKEPROOF_CONSUMER` says, else
                `user@host`.

        Raises:
            UsageError: A day of a table that has none.
            LakeError: The catalog or the storage refused.
        """
        if day is not None and table.partition is None:
            msg = f"{table.name} has no days; it is read as a whole."
            raise UsageError(msg, next_step="leave the day out")
        with lake_faults(f"reading {table.name}{f' {day}' if day is not None else ''}"):
            view = View.open(self.lake, table, None if day is None else [as_day(day)])
            rows = rows_in(view, table, [path for live in view.days.values() for path in live.paths])
            frame = pl.DataFrame(rows.relation(connect()).to_arrow_table()).select(table.column_names)
        if view.table is not None and not self.is_temporary:
            note_use(view.table, consumer.strip() or _in_dagster() or reader())
        return frame


def asset_reader(key: dg.AssetKey) -> str:
    """Return what an asset is called that reads."""
    return f"asset {key.to_user_string()}"


def _in_dagster() -> str:
    """Return what of Dagster reads, an asset or an op; nothing outside of a run."""
    try:
        context = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return ""
    keys = sorted(context.selected_asset_keys) if context.has_assets_def else []
    return asset_reader(keys[0]) if keys else f"op {context.op.name}"


def _forget(folder: str) -> None:
    _TEMPORARY.discard(folder)
    shutil.rmtree(folder, ignore_errors=True)
