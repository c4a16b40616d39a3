"""The stored schema follows the contract, by field id; what would lose data or break a reader is refused.

What changes is a function of the stored table and the contract alone, new field ids included, so that two runs that
change a table at once agree; of the instant of a new SLA, the first to store it decides. Nothing is stored before a
publish: it goes into the commit of the audited days.
"""

from __future__ import annotations

import itertools
import json
from datetime import date
from typing import TYPE_CHECKING, Any

from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
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

from lakeproof.errors import LakeError
from lakeproof.lake.output import OutputTable
from lakeproof.lake.promise import DECLARED_KEY, sla_properties
from lakeproof.lake.replace import MemoizedTransaction
from lakeproof.parts import DECIMAL, Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyiceberg.table import Transaction
    from pyiceberg.table.metadata import TableMetadata

    from lakeproof.contract import Table
    from lakeproof.lake.stage import Staged

DAYS_KEY = "lakeproof.days"
"""Property of a table: as JSON, the first of its days, the day after the last, and those that will never come."""

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

Fault = tuple[str, str]
"""What of a contract cannot become the stored table's, and the remedy."""


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


def stored_sort(metadata: TableMetadata) -> tuple[tuple[str, bool], ...]:
    """Return a stored table's sort order in the form of a contract's `sort_columns`."""
    order, schema = metadata.sort_order_by_id(metadata.default_sort_order_id), metadata.schema()
    fields = order.fields if order is not None else []
    return tuple(
        (schema.find_column_name(field.source_id) or "", field.direction is SortDirection.DESC) for field in fields
    )


def declared_properties(contract: Table) -> dict[str, str]:
    """Return what the table's properties say of its contract."""
    return {
        "comment": contract.description,
        "owner": contract.owner,
        "lakeproof.layer": contract.layer,
        "lakeproof.key": ",".join(contract.key),
        DAYS_KEY: json.dumps(_days_told(contract)),
        **contract.properties,
    }


def _days_told(contract: Table) -> dict[str, Any]:
    if contract.partition is None:
        return {}
    end, gaps = contract.until_day, sorted(contract.gaps)
    return {"start": str(contract.first_day), "end": end and str(end), "gaps": [str(day) for day in gaps]}


def stored_days(properties: Mapping[str, str]) -> tuple[date | None, date | None, frozenset[date]]:
    """Return the first day of a table, the day after its last, and the days that will never come, as it remembers them.

    Args:
        properties: The table's.
    """
    told = json.loads(properties.get(DAYS_KEY, "{}"))
    start, end = (told.get(name) and date.fromisoformat(told[name]) for name in ("start", "end"))
    return start, end, frozenset(date.fromisoformat(day) for day in told.get("gaps", ()))


def columns_by_id(schema: Schema) -> dict[int, Column]:
    """Return a schema's columns by field id, which is what files are read by, in the form of a contract's."""
    names = {str(iceberg): name for name, iceberg in ICEBERG_TYPES.items()}
    return {f.field_id: Column(f.name, names.get(str(f.field_type), str(f.field_type))) for f in schema.fields}


def as_declared(table: IcebergTable, contract: Table) -> IcebergTable:
    """Return a table as its contract has it: what is not stored yet is in memory only, and no commit starts from it.

    Args:
        table: The stored table.
        contract: Its contract.

    Raises:
        LakeError: The contract would lose data, reuse a name, or move the days.
    """
    transaction = MemoizedTransaction(table.line if isinstance(table, OutputTable) else table)
    if not evolve(transaction, contract):
        return table
    if isinstance(table, OutputTable):
        return table.declared(transaction.table_metadata)
    return IcebergTable(table.name(), transaction.table_metadata, table.metadata_location, table.io, table.catalog)


def evolve(transaction: Transaction, contract: Table, staged: Staged | None = None) -> bool:
    """Add to a transaction what makes the table follow its contract: columns and their order, the sort, properties.

    Args:
        transaction: The transaction; it is not committed.
        contract: The contract.
        staged: Files that the transaction will publish, which must have been written for what the table then is.

    Returns:
        Whether anything changes.

    Raises:
        LakeError: The contract would lose data, reuse a name, or move the days; or the files were written for another
            schema. Nothing was changed.
    """
    metadata = transaction.table_metadata
    matched = _matched(metadata.schema(), contract)
    if faults := [*_moved_days(metadata, contract, matched), *_lossy(metadata, contract, matched)]:
        msg = f"{contract.name}: the contract cannot become the published table's: {'; '.join(w for w, _ in faults)}."
        remedy = "; ".join(dict.fromkeys(remedy for _, remedy in faults))
        raise LakeError(msg, readers="see what they saw before", next_step=remedy)
    changed = _change_columns(transaction, contract, matched) | _change_sort(transaction, contract)
    if staged is not None and not _written_for(transaction.table_metadata, staged):
        msg = f"{contract.name}: its columns or sort order changed after the days were staged; nothing was published."
        raise LakeError(msg, readers="see what they saw before", next_step="run the same days again")
    return changed | _change_properties(transaction, contract)


def _written_for(metadata: TableMetadata, staged: Staged) -> bool:
    orders = {file.data_file.sort_order_id for files in staged.files.values() for file in files}
    return columns_by_id(metadata.schema()) == staged.columns and orders <= {None, metadata.default_sort_order_id}


def _matched(stored: Schema, contract: Table) -> dict[str, NestedField]:
    """Return the stored field that each column of the contract is, by the column's name; a new column has none."""
    fields = {field.name: field for field in stored.fields}
    known = {
        column.name: fields.get(column.name) or fields.get(column.renamed_from or "") for column in contract.columns
    }
    return {name: field for name, field in known.items() if field is not None}


def _moved_days(metadata: TableMetadata, contract: Table, matched: Mapping[str, NestedField]) -> Iterator[Fault]:
    """Yield what would change about which rows are a day's."""
    spec = [(field.source_id, str(field.transform)) for field in metadata.spec().fields]
    column = matched.get(contract.partition or "")
    days = [(column.field_id, "identity")] if column is not None else []
    if spec != days:
        was = ", ".join(f"{metadata.schema().find_column_name(source)}" for source, _ in spec)
        remedy = "keep the partition column, or declare a table of another name and backfill it"
        yield f"it was partitioned by {was or 'nothing'}, is now by {contract.partition or 'nothing'}", remedy


def _lossy(metadata: TableMetadata, contract: Table, matched: Mapping[str, NestedField]) -> Iterator[Fault]:
    """Yield what would lose data or mix up columns; a table that never published has nothing to lose."""
    if not metadata.snapshots:
        return
    kept = {field.field_id for field in matched.values()}
    once = {field.name for schema in metadata.schemas for field in schema.fields}
    added = [column for column in contract.columns if column.name not in matched]
    for field in metadata.schema().fields:
        if field.field_id not in kept:
            like = next((c.name for c in added if iceberg_type(c.type) == field.field_type), None)
            renamed = f"; if it is {like} now, say so: Column({like!r}, …, renamed_from={field.name!r})" if like else ""
            yield f"{field.name} is gone", f"keep {field.name} in the contract, null where it has no value{renamed}"
    for column in contract.columns:
        known, wanted = matched.get(column.name), iceberg_type(column.type)
        if known is not None and not _widens(known.field_type, wanted):
            remedy = f"keep {known.name} {known.field_type}, and declare a column of another name for the new values"
            yield f"{known.name} was {known.field_type}, is now {wanted}", remedy
        if known is None and column.name in once:
            yield (
                f"{column.name} was another column's name once",
                f"give the new column another name than {column.name}",
            )


def _widens(stored: IcebergType, wanted: PrimitiveType) -> bool:
    """Whether every stored value is one of the wanted type, by the Iceberg spec's list of promotions."""
    if isinstance(stored, DecimalType) and isinstance(wanted, DecimalType):
        return stored.scale == wanted.scale and stored.precision <= wanted.precision
    return stored == wanted or (stored, wanted) in {(IntegerType(), LongType()), (FloatType(), DoubleType())}


def _change_columns(transaction: Transaction, contract: Table, matched: Mapping[str, NestedField]) -> bool:
    """Stage the change of the columns, and return whether there is any."""
    metadata = transaction.table_metadata
    stored = metadata.schema().fields
    wanted = [(c.name, iceberg_type(c.type), c.description) for c in contract.columns]
    if [(field.name, field.field_type, field.doc or "") for field in stored] == wanted:
        return False
    kept = [field for field in stored if field in matched.values()]
    # To an update, a column's name is the stored one throughout, and a new one's its own.
    told = [matched[c.name].name if c.name in matched else c.name for c in contract.columns]
    with transaction.update_schema(allow_incompatible_changes=not metadata.snapshots) as update:
        for field in stored:
            if field not in kept:
                update.delete_column(field.name)
        for column in contract.columns:
            known = matched.get(column.name)
            if known is None:
                update.add_column(column.name, iceberg_type(column.type), column.description or None)
                continue
            changed_doc = column.description if column.description != (known.doc or "") else None
            update.update_column(known.name, iceberg_type(column.type), doc=changed_doc)
            if known.name != column.name:
                update.rename_column(known.name, column.name)
        if told != [*(field.name for field in kept), *(name for name in told if name not in {f.name for f in kept})]:
            update.move_first(told[0])
            for before, after in itertools.pairwise(told):
                update.move_after(after, before)
    return True


def _change_properties(transaction: Transaction, contract: Table) -> bool:
    """Stage what the table is to remember of its contract, and return whether that is anything new."""
    stored = transaction.table_metadata.properties
    wanted = {**declared_properties(contract), **sla_properties(contract.sla, stored)}
    if changed := {name: value for name, value in wanted.items() if stored.get(name) != value}:
        transaction.set_properties(changed)
    if ended := DECLARED_KEY in stored and contract.sla is None:
        transaction.remove_properties(DECLARED_KEY)
    return bool(changed) or ended


def _change_sort(transaction: Transaction, contract: Table) -> bool:
    """Stage the contract's sort order where the table has another, and return whether it has.

    A contract without one leaves the table's: its files say of themselves that they are not sorted.
    """
    if not contract.sort or stored_sort(transaction.table_metadata) == contract.sort_columns:
        return False
    with transaction.update_sort_order() as update:
        for name, down in contract.sort_columns:
            (update.desc if down else update.asc)(name, IdentityTransform(), NullOrder.NULLS_FIRST)
    return True
