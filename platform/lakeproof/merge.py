"""A table as it would be after a merge: the rows that were made, and the old rows whose key is not among them.

The whole of it is staged and audited, as any other table, so that audits judge what readers would see. Old rows stream
from their files through DuckDB; only the made rows are held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lakeproof.engine.cast import arrow_schema, fit
from lakeproof.engine.duck import BOUNDED, connect, files_relation, quoted
from lakeproof.errors import LakeError, MakeError, RowsError
from lakeproof.forms import BATCH_ROWS
from lakeproof.lake.catalog import columns_of, local_path
from lakeproof.lake.days import day_key
from lakeproof.lake.live import LiveDay, View
from lakeproof.reading import contents_of
from lakeproof.storage import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.days import Day

MERGE_BASE = "merge base"
"""What evidence calls the table that a merge built on, among its inputs; no input of a function can be called so."""

SAMPLE_KEYS = 3


@dataclass(frozen=True)
class Merged:
    """What a merge does to a table, in rows.

    Args:
        inserted: Made rows whose key is new.
        updated: Old rows that another row of their key takes the place of.
        deleted: Old rows that go, because their key was not made.
        unchanged: Old rows that stay as they were.
    """

    inserted: int
    updated: int
    deleted: int
    unchanged: int

    def __str__(self) -> str:
        """Return the counts in words.

        >>> str(Merged(inserted=1200, updated=1, deleted=0, unchanged=3))
        '1,200 inserted, 1 updated, 0 deleted, 3 unchanged'
        """
        return ", ".join(f"{rows:,} {what}" for what, rows in vars(self).items())


class Merge:
    """The merge of one run; it counts while the rows pass.

    Args:
        contract: The table's contract.
        base: The table's files as the run began: the old rows.
    """

    def __init__(self, contract: Table, base: frozenset[str]) -> None:
        self._contract = contract
        self._base = base
        self._old_rows = 0
        self.merged = Merged(0, 0, 0, 0)

    def rows(self, table: IcebergTable, made: Iterable[pa.RecordBatch], where: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the table as it would be after the merge.

        Args:
            table: The Iceberg table, its columns as the contract has them.
            made: The made rows, cast to the contract.
            where: The table, for the refusal.

        Raises:
            RowsError: A made row has no key, or two have the same.
            LakeError: Two old rows have the key of a made one.
            MakeError: DuckDB could not join them, as when there is no room to spill.
        """
        new = pa.Table.from_batches(made, arrow_schema(self._contract.columns))
        connection = connect(BOUNDED)
        connection.from_arrow(new.append_column("_place", pa.arange(0, new.num_rows))).create_view("made")
        self._check_keys(connection, where)
        base = [local_path(at) for at in sorted(self._base)]
        files_relation(connection, columns_of(table), base, table.io).create_view("old")
        try:
            yield from self._kept(connection.sql(self._join()).to_arrow_reader(BATCH_ROWS), new.num_rows, where)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            refuse(f"reading the rows that {where} has", error)
            msg = f"{where}: the rows could not be merged: {error}"
            remedy = "see that the temporary folder has room for them, then run the table again"
            raise MakeError(msg, next_step=remedy) from error
        yield from new.to_batches()

    def _kept(self, joined: pa.RecordBatchReader, made: int, where: str) -> Iterator[pa.RecordBatch]:
        """Yield the old rows that stay, cast to the contract."""
        names = [*self._contract.column_names]
        kept = pa.schema([joined.schema.field(name) for name in names])
        batches = (batch.select(names) for batch in self._unmatched(joined, made, where))
        yield from fit(pa.RecordBatchReader.from_batches(kept, batches), self._contract, where)

    def record(self, table: IcebergTable) -> dict[str, Any]:
        """Return what the merge built on, for the evidence: the table, its snapshot and its content digest.

        The snapshot is None where another run has published since.
        """
        view = View.of(table)
        if {at for live in view.days.values() for at in live.locations} != self._base:
            size = sum(len(table.io.new_input(at)) for at in self._base)
            days: dict[Day, LiveDay] = {None: LiveDay(None, tuple(sorted(self._base)), self._old_rows, size)}
            view = View(table, None, days if self._base else {})
        contents = contents_of(view)
        return {
            "table": self._contract.name,
            "kind": "merge",
            "trailing_days": 1,
            "snapshot": view.snapshot,
            "days": {day_key(day): vars(content) | {"run": view.days[day].run} for day, content in contents.items()},
        }

    def _join(self) -> str:
        """Return the statement that gives each old row, with the place and the sameness of the made row of its key."""
        keys = " AND ".join(f"old.{quoted(name)} = made.{quoted(name)}" for name in self._contract.key)
        columns = [quoted(name) for name in self._contract.column_names]
        same = " AND ".join(f"old.{name} IS NOT DISTINCT FROM made.{name}" for name in columns)
        return f"SELECT old.*, made._place, ({same}) AS _same FROM old LEFT JOIN made ON {keys}"  # noqa: S608 - quoted

    def _unmatched(self, joined: pa.RecordBatchReader, made: int, where: str) -> Iterator[pa.RecordBatch]:
        """Yield the old rows that the made ones leave as they are, and count all of them."""
        keep = self._contract.absent == "keep"
        unmatched = same = 0
        places: list[pa.Array] = []
        for batch in joined:
            alone = pc.is_null(batch.column("_place"))
            rest = batch.filter(alone)
            unmatched += rest.num_rows
            places.append(batch.column("_place").drop_null())
            same += pc.sum(pc.and_(batch.column("_same"), pc.invert(alone))).as_py() or 0
            if keep and rest.num_rows:
                yield rest
        matched = sum(len(place) for place in places)
        known = pc.count_distinct(pa.chunked_array(places, pa.int64())).as_py()
        if known < matched:
            msg = f"{where}: {matched - known:,} published rows have a key of the merge that another one has too."
            remedy = "publish the table once with write='replace' and audit.unique(), then merge into it"
            raise LakeError(msg, readers="see what they saw before", next_step=remedy)
        self._old_rows = unmatched + matched
        kept, deleted = (unmatched, 0) if keep else (0, unmatched)
        self.merged = Merged(made - known, matched - same, deleted, kept + same)

    def _check_keys(self, connection: duckdb.DuckDBPyConnection, where: str) -> None:
        """Refuse made rows whose key does not say which row they are."""
        names = ", ".join(quoted(name) for name in self._contract.key)
        empty = " OR ".join(f"{quoted(name)} IS NULL" for name in self._contract.key)
        twice = f"SELECT {names}, count(*) AS _rows FROM made GROUP BY ALL HAVING count(*) > 1"  # noqa: S608 - quoted
        for what, query in (
            ("have no key", f"SELECT {names} FROM made WHERE {empty}"),  # noqa: S608 - quoted
            ("have the key of another", f"{twice} ORDER BY ALL"),
        ):
            found = connection.sql(query).to_arrow_table().to_pylist()
            if not found:
                continue
            count = sum(row.pop("_rows", 1) for row in found)
            shown = "; ".join(", ".join(f"{n} {v}" for n, v in row.items()) for row in found[:SAMPLE_KEYS])
            msg = f"{where}: {count:,} rows to merge {what}, such as {shown}."
            raise RowsError(msg, next_step=f"return one row for each {' and '.join(self._contract.key)}")
