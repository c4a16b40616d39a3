"""Data files of days that no reader sees: written without any commit, named by their run, remembered by digest."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.typedef import Record
from pyiceberg.utils.datetime import date_to_days

from lakeproof.errors import LakeError, RowsError
from lakeproof.lake.catalog import local_path
from lakeproof.lake.faults import lake_faults

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import date

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.replace import Day

FILE_BYTES = 128 * 2**20
"""Rows of a day are written out when they fill this much Arrow memory, which is some 30 MiB of Parquet."""

STAGE_BYTES = 384 * 2**20
"""How much Arrow memory a stage may hold, over all its days, before it writes the largest out."""

SAMPLE_ROWS = 3


@dataclass(frozen=True)
class StagedFile:
    """A data file that was written and is not published.

    Args:
        data_file: What Iceberg records of it.
        sha256: The digest of its bytes, taken as they were written.
    """

    data_file: DataFile
    sha256: str

    @property
    def location(self) -> str:
        """Where it is, as Iceberg names it."""
        return self.data_file.file_path

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return self.data_file.record_count

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.data_file.file_size_in_bytes


@dataclass(frozen=True)
class Staged:
    """The staged days of one run.

    Args:
        table: The table's name.
        run: The run's id, which is in every file's name.
        files: The files of each day; a day without rows has one file without rows.
    """

    table: str
    run: str
    files: Mapping[Day, tuple[StagedFile, ...]]

    @property
    def days(self) -> tuple[Day, ...]:
        """The staged days, in order."""
        return tuple(self.files)

    def paths(self, day: Day) -> tuple[str, ...]:
        """Return a day's files as other libraries take them."""
        return tuple(local_path(file.location) for file in self.files[day])

    def rows(self, day: Day) -> int:
        """Return how many rows a day has."""
        return sum(file.rows for file in self.files[day])

    def bytes(self, day: Day) -> int:
        """Return the size of a day's files."""
        return sum(file.bytes for file in self.files[day])

    def digest(self, day: Day) -> str:
        """Return the digest of a day's files, by their names and bytes: what a verdict is bound to."""
        return digest_of({file.location: file.sha256 for file in self.files[day]})

    def only(self, days: Collection[Day]) -> Staged:
        """Return the same stage with only these days."""
        return Staged(self.table, self.run, {day: files for day, files in self.files.items() if day in days})


def digest_of(files: Mapping[str, str]) -> str:
    """Return one digest for files given as location and SHA-256."""
    lines = "".join(f"{sha256}  {location}\n" for location, sha256 in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def verify_files(table: IcebergTable, staged: Staged) -> None:
    """Refuse a stage whose files are not, byte for byte, the ones that were written.

    Raises:
        LakeError: A file is gone or differs; nothing was published.
    """
    files = [file for day_files in staged.files.values() for file in day_files]
    with lake_faults(f"reading the staged files of {staged.table}"), ThreadPoolExecutor() as pool:
        for file, sha256 in zip(files, pool.map(lambda f: sha256_of(table, f.location), files), strict=True):
            if sha256 != file.sha256:
                msg = (
                    f"{staged.table}: staged file {file.location} changed after it was written; nothing was published."
                )
                raise LakeError(msg, next_step="find out what writes into the warehouse, then run the days again")


def sha256_of(table: IcebergTable, location: str) -> str:
    """Return the SHA-256 of a file's bytes."""
    with table.io.new_input(location).open() as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # has readinto; typed narrower


def discard(table: IcebergTable, staged: Staged, keep: Collection[str]) -> None:
    """Remove staged files that were neither published nor held, as far as the storage lets: nobody needs them.

    Args:
        table: The Iceberg table.
        staged: The days to remove.
        keep: Files that readers have, which are never removed, whatever a run believes of them.
    """
    for files in staged.files.values():
        for file in files:
            if file.location not in keep:
                with suppress(OSError):
                    table.io.delete(file.location)


class StageWriter:
    """Takes rows in any order of days and writes each day's files; memory is bounded whatever comes.

    Args:
        table: The Iceberg table the days are for.
        contract: Its contract.
        run: The run's id.
    """

    def __init__(self, table: IcebergTable, contract: Table, run: str) -> None:
        self._table = table
        self._contract = contract
        self._run = run
        self._schema = schema_to_pyarrow(table.schema(), include_field_ids=True)
        self._held: dict[Day, list[pa.RecordBatch]] = defaultdict(list)
        self._bytes: dict[Day, int] = defaultdict(int)
        self._files: dict[Day, list[StagedFile]] = defaultdict(list)
        self._locations: list[str] = []

    def write(self, batches: Iterable[pa.RecordBatch], days: Collection[Day]) -> None:
        """Stage rows that fit the contract.

        Args:
            batches: The rows, their columns cast to the contract's.
            days: The days the rows may belong to.

        Raises:
            RowsError: A row belongs to another day.
            LakeError: The storage refused.
        """
        for batch in batches:
            if batch.num_rows == 0:
                continue
            for day, part in self._by_day(batch, days):
                self._held[day].append(part.select(self._schema.names))
                self._bytes[day] += part.nbytes
                if self._bytes[day] >= FILE_BYTES:
                    self._flush(day)
            while sum(self._bytes.values()) >= STAGE_BYTES:
                self._flush(max(self._bytes, key=self._bytes.__getitem__))

    def close(self, days: Collection[Day]) -> Staged:
        """Write what is still held, and an empty file for each of `days` that got no row."""
        for day in days:
            if self._bytes.get(day) or not self._files.get(day):
                self._flush(day)
        return Staged(self._contract.name, self._run, {day: tuple(self._files[day]) for day in days})

    def discard(self) -> None:
        """Remove what was written, half-written files included, as far as the storage lets: the run is over."""
        for location in self._locations:
            with suppress(OSError):
                self._table.io.delete(location)

    def _by_day(self, batch: pa.RecordBatch, days: Collection[Day]) -> Iterable[tuple[Day, pa.RecordBatch]]:
        partition = self._contract.partition
        if partition is None:
            return [(None, batch)]
        column = batch.column(partition)
        bounds = pc.min_max(column)
        if column.null_count == 0 and bounds["min"] == bounds["max"]:
            day = bounds["min"].as_py()
            if day not in days:
                self._refuse(batch, column, days)
            return [(day, batch)]
        present = pc.unique(column).to_pylist()
        if any(day not in days for day in present):
            self._refuse(batch, column, days)
        return [(day, batch.filter(pc.equal(column, pa.scalar(day, pa.date32())))) for day in present]

    def _refuse(self, batch: pa.RecordBatch, column: pa.Array, days: Collection[Day]) -> None:
        known = pa.array([day for day in days if day is not None], pa.date32())
        outside = pc.invert(pc.fill_null(pc.is_in(column, value_set=known), fill_value=False))
        rows = batch.filter(outside)
        listed = sorted(day for day in days if day is not None)
        msg = (
            f"{self._contract.name}: {rows.num_rows:,} rows lie outside the window {_span(listed)} by "
            f"{self._contract.partition}, such as {'; '.join(map(_row_text, rows.slice(0, SAMPLE_ROWS).to_pylist()))}"
        )
        raise RowsError(msg, next_step=f"return only rows whose {self._contract.partition} is a day of the window")

    def _flush(self, day: Day) -> None:
        batches = self._held.pop(day, [])
        self._bytes.pop(day, None)
        rows = pa.Table.from_batches(batches) if batches else self._schema.remove_metadata().empty_table()
        with lake_faults(f"writing a data file of {self._contract.name}"):
            self._files[day].append(self._write_file(day, rows))

    def _write_file(self, day: Day, rows: pa.Table) -> StagedFile:
        """Write one Parquet file: encoded in memory, so that what is digested is what was meant to be written."""
        folder = "" if day is None else f"{self._contract.partition}={day}/"
        location = f"{self._table.location()}/data/{folder}{self._run}-{len(self._locations):05d}.parquet"
        self._locations.append(location)
        buffer = io.BytesIO()
        frame = pl.from_arrow(rows, rechunk=False)
        frame.write_parquet(buffer, compression="zstd", arrow_schema=self._schema)  # type: ignore[union-attr]  # a frame
        data = buffer.getvalue()
        with self._table.io.new_output(location).create() as out:
            out.write(data)
        return StagedFile(self._data_file(location, day, data), hashlib.sha256(data).hexdigest())

    def _data_file(self, location: str, day: Day, data: bytes) -> DataFile:
        schema, metadata = self._table.schema(), self._table.metadata
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=pq.read_metadata(io.BytesIO(data)),
            stats_columns=compute_statistics_plan(schema, metadata.properties),
            parquet_column_mapping=parquet_path_to_id_mapping(schema),
        )
        data_file = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=location,
            file_format=FileFormat.PARQUET,
            partition=Record() if day is None else Record(date_to_days(day)),
            file_size_in_bytes=len(data),
            sort_order_id=None,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )
        data_file.spec_id = metadata.default_spec_id  # no column of a manifest, so no argument either
        return data_file


def _row_text(row: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _span(days: list[date]) -> str:
    return f"{days[0]}" if days[0] == days[-1] else f"{days[0]}..{days[-1]}"
