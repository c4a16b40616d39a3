"""Where the lake is: a PyIceberg catalog, and the Iceberg table of each contract in it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.utils.config import Config
from sqlalchemy.exc import DatabaseError, IntegrityError

from lakeproof.errors import LakeError
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import RECORDS_KEY
from lakeproof.lake.output import MAIN, OutputTable, is_line
from lakeproof.lake.patience import RETRY_KEY, Patient
from lakeproof.lake.promise import sla_properties
from lakeproof.lake.retention import RETENTION
from lakeproof.lake.schema import (
    as_declared,
    columns_by_id,
    declared_properties,
    iceberg_schema,
    partition_spec,
    sort_order,
)
from lakeproof.lake.swap import demand_conditional, demand_lasting

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.parts import Column

LOCK_SECONDS = 30
"""How long a local catalog waits for another process's commit, which takes milliseconds."""

PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    **RETENTION,
}

OURS = {
    RETRY_KEY: f"{Patient.__module__}.{Patient.__name__}",
    # A pooled connection that a restart of the server broke is replaced, and fails no run hours later.
    "pool_pre_ping": "true",
}
"""What a catalog of PyIceberg's configuration is opened with where that says nothing else."""

OPENINGS = 5
"""How often a catalog is opened that others are making: it has two tables, and each is made once."""


def default_home() -> Path:
    """Return where state lives: `LAKEPROOF_HOME`, else `.lakeproof` in the working directory."""
    return Path(os.environ.get("LAKEPROOF_HOME") or ".lakeproof").resolve()


@dataclass(frozen=True)
class Lake:
    """A catalog, and where it is.

    Args:
        catalog: The PyIceberg catalog.
        where: What a person calls it; holds no credential.
        output: Where days are published to and read from: `main`, or an output beside it.

    Raises:
        UsageError: The catalog is not known to take commits under a condition.
    """

    catalog: Catalog
    where: str
    output: str = MAIN

    def __post_init__(self) -> None:
        """Refuse a catalog through which two runs could undo each other's days."""
        demand_conditional(self.catalog, self.where)

    @classmethod
    def configured(cls, name: str | None = None) -> Lake | None:
        """Open a catalog of PyIceberg's own configuration.

        Args:
            name: Its name there; None for the default one.

        Returns:
            The lake; None when PyIceberg is not configured with a default catalog.

        Raises:
            LakeError: There is no catalog of that name, or it cannot be opened.
            UsageError: It is of a kind through which nothing can be published safely.
        """
        settings = Config()
        wanted = name or settings.get_default_catalog_name()
        if (found := settings.get_catalog_config(wanted)) is not None:
            ours = {name: value for name, value in OURS.items() if name not in found}
            with lake_faults(f"opening catalog {wanted}"):
                catalog = _opened(lambda: load_catalog(wanted, **ours))
            demand_lasting(catalog, f"catalog {wanted}")
            return cls(catalog, f"catalog {wanted}")
        if name is None:
            return None
        msg = f"PyIceberg's configuration has no catalog {name!r}."
        raise LakeError(msg, next_step="add it to .pyiceberg.yaml or to PYICEBERG_CATALOG__… variables")

    @classmethod
    def local(cls, home: Path) -> Lake:
        """Open the SQLite catalog and local warehouse under a folder; they are made when they are not there.

        Raises:
            LakeError: The catalog cannot be opened.
        """
        with lake_faults(f"opening the catalog under {home}"):
            home.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{home / 'catalog.db'}?timeout={LOCK_SECONDS}"
            warehouse = f"file://{home / 'warehouse'}"
            return cls(_opened(lambda: SqlCatalog("lakeproof", uri=uri, warehouse=warehouse)), str(home))

    @classmethod
    def default(cls) -> Lake:
        """Open the lake of this machine: PyIceberg's default catalog where it has one, else the local one."""
        return cls.configured() or cls.local(default_home())

    def on(self, output: str) -> Lake:
        """Return the same lake as an output has it: its own days, and those of `main` where it has none."""
        return replace(self, output=output)

    def load(self, contract: Table) -> IcebergTable | None:
        """Return the contract's table as it is now, its columns as the contract has them; None before its first stage.

        Columns that are not stored yet are in memory only: the next publish stores them.

        Raises:
            LakeError: The catalog cannot be used, or the table cannot become what the contract says.
        """
        table = self.find(contract.name)
        return None if table is None else as_declared(table, contract)

    def tables(self) -> list[str]:
        """Return the names of all tables, in order.

        Raises:
            LakeError: The catalog cannot be used.
        """
        with lake_faults("listing the tables"):
            return sorted(
                ".".join(name)
                for namespace in self.catalog.list_namespaces()
                for name in self.catalog.list_tables(namespace)
            )

    def find(self, name: str) -> IcebergTable | None:
        """Return the table of that name as it is now, or None.

        Raises:
            LakeError: The catalog cannot be used.
        """
        with lake_faults(f"reading table {name}"):
            try:
                table = self.catalog.load_table(name)
                return table if self.output == MAIN else OutputTable.of(table, self.output)
            except NoSuchTableError:
                return None
            except FileNotFoundError as error:
                msg = f"The catalog names a metadata file of {name} that is gone: {error}."
                raise LakeError(msg, next_step="restore the warehouse from a backup as new as the catalog's") from error

    def ensure(self, contract: Table) -> IcebergTable:
        """Return the contract's table, made empty if it is not there; safe when several processes do so at once."""
        if (table := self.load(contract)) is not None:
            return table
        with lake_faults(f"creating table {contract.name}"):
            # Where two processes make it at once, the SQL catalog lets the database's own refusal through.
            with suppress(NamespaceAlreadyExistsError, IntegrityError):
                self.catalog.create_namespace(contract.namespace)
            try:
                table = self.catalog.create_table(
                    contract.name,
                    schema=iceberg_schema(contract),
                    partition_spec=partition_spec(contract),
                    sort_order=sort_order(contract),
                    properties={
                        **PROPERTIES,
                        **self._records(contract),
                        **declared_properties(contract),
                        **sla_properties(contract.sla, {}),
                    },
                )
            except (TableAlreadyExistsError, IntegrityError):
                table = self.catalog.load_table(contract.name)
        return as_declared(table if self.output == MAIN else OutputTable.of(table, self.output), contract)

    def _records(self, contract: Table) -> dict[str, str]:
        folder = self.catalog.properties.get(RECORDS_KEY)
        return {RECORDS_KEY: f"{folder.rstrip('/')}/{contract.name.replace('.', '/')}"} if folder else {}


def _opened(catalog: Callable[[], Catalog]) -> Catalog:
    """Open a catalog; where several processes make a database's first tables at once, it refuses all but one."""
    for _ in range(OPENINGS):
        try:
            return catalog()
        except DatabaseError as error:
            if not (isinstance(error, IntegrityError) or "already exists" in str(error)):
                raise
    return catalog()


def is_declared(table: IcebergTable) -> bool:
    """Whether a table was made from a contract; not one that another tool looks after, nor an output's line."""
    return "lakeproof.layer" in table.properties and not is_line(table)


def columns_of(table: IcebergTable) -> dict[int, Column]:
    """Return a table's columns by field id, which is what files are read by, in the form of a contract's."""
    return columns_by_id(table.schema())


def local_path(location: str) -> str:
    """Return a location as other libraries take it: a plain path for a local file, else as it is."""
    return re.sub(r"^file:(//)?(?=/)", "", location)
