"""Where the lake is: a PyIceberg catalog, and the Iceberg table of each contract in it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)
from pyiceberg.utils.config import Config
from sqlalchemy.exc import IntegrityError

from lakeproof.errors import LakeError
from lakeproof.lake.faults import lake_faults
from lakeproof.parts import DECIMAL, Column

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table

LOCK_SECONDS = 30
"""How long a local catalog waits for another process's commit, which takes milliseconds."""

PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}
PARTITION_FIELD_ID = 1000  # Iceberg spec: partition field ids start here

ICEBERG_TYPES: dict[str, PrimitiveType] = {
    "boolean": BooleanType(),
    "int": IntegerType(),
    "long": LongType(),
    "float": FloatType(),
    "double": DoubleType(),
    "date": DateType(),
    "time": TimeType(),
    "timestamp": TimestampType(),
    "timestamptz": TimestamptzType(),
    "string": StringType(),
    "uuid": UUIDType(),
    "binary": BinaryType(),
}


def default_home() -> Path:
    """Return where state lives: `LAKEPROOF_HOME`, else `.lakeproof` in the working directory."""
    return Path(os.environ.get("LAKEPROOF_HOME") or ".lakeproof").resolve()


@dataclass(frozen=True)
class Lake:
    """A catalog, and where it is.

    Args:
        catalog: The PyIceberg catalog.
        where: What a person calls it; holds no credential.
    """

    catalog: Catalog
    where: str

    @classmethod
    def configured(cls, name: str | None = None) -> Lake | None:
        """Open a catalog of PyIceberg's own configuration.

        Args:
            name: Its name there; None for the default one.

        Returns:
            The lake; None when PyIceberg is not configured with a default catalog.

        Raises:
            LakeError: There is no catalog of that name, or it cannot be opened.
        """
        settings = Config()
        wanted = name or settings.get_default_catalog_name()
        if settings.get_catalog_config(wanted) is not None:
            with lake_faults(f"opening catalog {wanted}"):
                return cls(load_catalog(wanted), f"catalog {wanted}")
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
            return cls(SqlCatalog("lakeproof", uri=uri, warehouse=f"file://{home / 'warehouse'}"), str(home))

    @classmethod
    def default(cls) -> Lake:
        """Open the lake of this machine: PyIceberg's default catalog where it has one, else the local one."""
        return cls.configured() or cls.local(default_home())

    def load(self, contract: Table) -> IcebergTable | None:
        """Return the contract's table as it is now, or None before its first stage.

        Raises:
            LakeError: The catalog cannot be used, or the table's columns are not the contract's.
        """
        table = self.find(contract.name)
        if table is not None:
            _same_layout(contract, table)
        return table

    def find(self, name: str) -> IcebergTable | None:
        """Return the table of that name as it is now, or None.

        Raises:
            LakeError: The catalog cannot be used.
        """
        with lake_faults(f"reading table {name}"):
            try:
                return self.catalog.load_table(name)
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
                return self.catalog.create_table(
                    contract.name,
                    schema=iceberg_schema(contract),
                    partition_spec=partition_spec(contract),
                    sort_order=sort_order(contract),
                    properties={
                        **PROPERTIES,
                        "comment": contract.description,
                        "owner": contract.owner,
                        "lakeproof.layer": contract.layer,
                        "lakeproof.key": ",".join(contract.key),
                        **contract.properties,
                    },
                )
            except (TableAlreadyExistsError, IntegrityError):
                table = self.catalog.load_table(contract.name)
        _same_layout(contract, table)
        return table


def iceberg_type(name: str) -> PrimitiveType:
    """Return Iceberg's type for a contract's type name."""
    if decimal := DECIMAL.fullmatch(name):
        return DecimalType(int(decimal[1]), int(decimal[2]))
    return ICEBERG_TYPES[name]


def iceberg_schema(contract: Table) -> Schema:
    """Return the contract's columns as an Iceberg schema; ids count from one; nulls are the audits' matter."""
    return Schema(
        *(
            NestedField(number, column.name, iceberg_type(column.type), required=False, doc=column.description or None)
            for number, column in enumerate(contract.columns, start=1)
        )
    )


def partition_spec(contract: Table) -> PartitionSpec:
    """Return the partitioning by the contract's day column."""
    if contract.partition is None:
        return UNPARTITIONED_PARTITION_SPEC
    source = contract.column_names.index(contract.partition) + 1
    return PartitionSpec(PartitionField(source, PARTITION_FIELD_ID, IdentityTransform(), contract.partition))


def sort_order(contract: Table) -> SortOrder:
    """Return the contract's sort order; nulls come first, whichever way a column goes."""
    return SortOrder(
        *(
            SortField(
                source_id=contract.column_names.index(name) + 1,
                transform=IdentityTransform(),
                direction=SortDirection.DESC if down else SortDirection.ASC,
                null_order=NullOrder.NULLS_FIRST,
            )
            for name, down in contract.sort_columns
        )
    )


def stored_sort(table: IcebergTable) -> tuple[str, ...]:
    """Return a stored table's sort order in the form of a contract's."""
    named = [(table.schema().find_column_name(f.source_id), f.direction) for f in table.sort_order().fields]
    return tuple(f"{name} desc" if direction is SortDirection.DESC else f"{name}" for name, direction in named)


def columns_of(table: IcebergTable) -> dict[int, Column]:
    """Return a stored table's columns by field id, which is what files are read by, in the form of a contract's."""
    names = {str(iceberg): name for name, iceberg in ICEBERG_TYPES.items()}
    fields = table.schema().fields
    return {f.field_id: Column(f.name, names.get(str(f.field_type), str(f.field_type))) for f in fields}


def local_path(location: str) -> str:
    """Return a location as other libraries take it: a plain path for a local file, else as it is."""
    return re.sub(r"^file:(//)?(?=/)", "", location)


def _same_layout(contract: Table, table: IcebergTable) -> None:
    """Refuse a contract whose columns or days are not the stored table's."""
    stored = {field.name: str(field.field_type) for field in table.schema().fields}
    declared = {column.name: str(iceberg_type(column.type)) for column in contract.columns}
    spec = [(table.schema().find_column_name(field.source_id), str(field.transform)) for field in table.spec().fields]
    days = [(contract.partition, "identity")] if contract.partition else []
    changes = [f"{name} is new" for name in declared if name not in stored]
    changes += [f"{name} is gone" for name in stored if name not in declared]
    changes += [f"{n} was {stored[n]}, is now {t}" for n, t in declared.items() if n in stored and stored[n] != t]
    if spec != days:
        was, now = (", ".join(f"{name}" for name, _ in fields) or "nothing" for fields in (spec, days))
        changes.append(f"it was partitioned by {was}, is now by {now}")
    if not changes:
        return
    msg = f"{contract.name}: the contract is not the published table's: {'; '.join(changes)}."
    raise LakeError(
        msg,
        readers=f"readers of {contract.name} see what they saw before",
        next_step="restore the contract's columns, or declare a table of another name and backfill it",
    )
