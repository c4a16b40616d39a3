"""Rows in any order of days become the files of a stage: each day its own, in bounded memory."""

from __future__ import annotations

from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.typedef import Record
from pyiceberg.utils.datetime import date_to_days

from lakeproof.cost.meter import count
from lakeproof.errors import RowsError
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.parquet import ParquetFile, Target, Written
from lakeproof.lake.schema import stored_sort
from lakeproof.lake.stage import Staged, StagedFile
from lakeproof.layout import FileLayout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from contextlib import AbstractContextManager
    from datetime import date

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.days import Day

STREAM_BYTES = 48 * 2**20
"""A day that fills this much Arrow memory goes to storage as it comes."""

HELD_BYTES = 256 * 2**20
"""How much Arrow memory a stage may hold, over all its days, before it closes its files."""

MOST_STREAMS = 2
"""How many files are written at once as their rows come: each holds a row group and what its encoder needs."""

SAMPLE_ROWS = 3

Place = tuple["Day", int]
"""Where rows go: their day, and the stretch of rows that they came in."""


class StageWriter:
    """Takes rows in any order of days and writes each day's files; memory is bounded whatever comes.

    A day that stays small is encoded when the stage closes; a large one goes to storage as it comes, in files of the
    table's target size. Where the rows of many large days come mixed, their files are smaller.

    Args:
        table: The Iceberg table the days are for.
        contract: Its contract.
        run: The run's id.
        first_file: The number of the first file, where the run has written some already.

    Raises:
        ContractError: The table's properties ask for files that cannot be written.
    """

    def __init__(self, table: IcebergTable, contract: Table, run: str, first_file: int = 0) -> None:
        self._table = table
        self._contract = contract
        self._run = run
        self._first_file = first_file
        self._target = Target(
            table.io,
            schema_to_pyarrow(table.schema(), include_field_ids=True),
            FileLayout.of({**table.properties, **contract.properties}),
        )
        self._open: dict[Place, ParquetFile] = {}
        self._files: dict[Place, list[StagedFile]] = defaultdict(list)
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
        self.write_beside([batches], days)

    def write_beside(self, stretches: Sequence[Iterable[pa.RecordBatch]], days: Collection[Day]) -> None:
        """Stage stretches of rows side by side, each in files of its own: so large ones keep more than one core busy.

        Args:
            stretches: The rows, as `write` takes them, one after the other.
            days: The days the rows may belong to.
        """
        known = frozenset(days)
        coming = deque((number, iter(batches)) for number, batches in enumerate(stretches))
        while coming:
            number, batches = coming.popleft()
            if (batch := next(batches, None)) is None:
                continue
            coming.append((number, batches))
            parts = self._by_day(batch, known) if batch.num_rows else ()
            with self._faults():
                for day, part in parts:
                    self._add((day, number), part.select(self._target.schema.names))
                self._make_room()

    def leave(self, day: Day, files: tuple[StagedFile, ...]) -> None:
        """Let a day be files that are there already, because they hold its rows."""
        self._files[day, 0] = list(files)

    def close(self, days: Collection[Day]) -> Staged:
        """Write what is still held, and an empty file for each of `days` that got no row."""
        filled = {day for day, _ in (*self._open, *(place for place, files in self._files.items() if files))}
        files: dict[Day, tuple[StagedFile, ...]] = dict.fromkeys(days, ())
        with self._faults():
            for day in days:
                if day not in filled:
                    self._file_of((day, 0))
            self._finish(*(place for place in self._open if place[0] in files))
        for day, number in sorted((place for place in self._files if place[0] in files), key=itemgetter(1)):
            files[day] += tuple(self._files[day, number])
        return Staged(self._contract, columns_of(self._table), self._run, files)

    def discard(self) -> None:
        """Remove what was written, half-written files included, as far as the storage lets: the run is over."""
        for file in self._open.values():
            with suppress(OSError):
                file.abandon()
        for location in self._locations:
            with suppress(OSError):
                self._table.io.delete(location)

    def _add(self, place: Place, rows: pa.RecordBatch) -> None:
        file = self._file_of(place)
        file.write(rows)
        if not file.is_streaming and file.held_bytes >= STREAM_BYTES:
            streaming = [other for other, opened in self._open.items() if opened.is_streaming]
            if len(streaming) >= MOST_STREAMS:
                self._finish(streaming[0])
            file.stream()
        if file.written_bytes >= self._target.layout.file_bytes:
            self._finish(place)

    def _make_room(self) -> None:
        """Close all files that are held when memory is full: rows that came mixed share it, and free it together."""
        if sum(file.held_bytes for file in self._open.values()) >= HELD_BYTES:
            self._finish(*(place for place, file in self._open.items() if not file.is_streaming))

    def _file_of(self, place: Place) -> ParquetFile:
        """Return the open file of a place, as the one that was used last."""
        if (file := self._open.pop(place, None)) is None:
            number = self._first_file + len(self._locations)
            location = location_of(self._table, self._contract, place[0], self._run, number)
            self._locations.append(location)
            file = ParquetFile(self._target, location)
        self._open[place] = file
        return file

    def _finish(self, *places: Place) -> None:
        """Close open files, side by side."""
        files = [self._open.pop(place) for place in places]
        with ThreadPoolExecutor() as pool:
            for (day, number), written in zip(places, pool.map(ParquetFile.close, files), strict=True):
                count(written=written.bytes)
                made = data_file(self._table, self._contract, day, written)
                self._files[day, number].append(StagedFile(made, written.sha256))

    def _faults(self) -> AbstractContextManager[None]:
        return lake_faults(f"writing a data file of {self._contract.name}")

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
        # A stable sort, so that the rows of each day keep their order; to look for each day takes a turn for each.
        ordered = batch.take(pc.sort_indices(column))
        ends = pc.run_end_encode(ordered.column(partition))
        starts = [0, *ends.run_ends.to_pylist()]
        days_in_order = ends.values.to_pylist()
        return [(day, ordered.slice(a, b - a)) for day, (a, b) in zip(days_in_order, pairwise(starts), strict=True)]

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


def location_of(table: IcebergTable, contract: Table, day: Day, run: str, number: int) -> str:
    """Return where a run's file of a number lies: it carries the run in its name, for ever."""
    folder = "" if day is None else f"{contract.partition}={day}/"
    return f"{table.location()}/data/{folder}{run}-{number:05d}.parquet"


def data_file(table: IcebergTable, contract: Table, day: Day, written: Written) -> DataFile:
    """Return what Iceberg records of a file that was written for a day.

    Args:
        table: The Iceberg table.
        contract: Its contract.
        day: The day.
        written: The file.
    """
    schema, metadata = table.schema(), table.metadata
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=written.metadata,
        stats_columns=compute_statistics_plan(schema, metadata.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    is_declared = stored_sort(metadata) == contract.sort_columns
    made = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=written.location,
        file_format=FileFormat.PARQUET,
        partition=Record() if day is None else Record(date_to_days(day)),
        file_size_in_bytes=written.bytes,
        sort_order_id=metadata.default_sort_order_id if is_declared else None,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
    made.spec_id = metadata.default_spec_id  # no column of a manifest, so no argument either
    return made


def _row_text(row: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _span(days: list[date]) -> str:
    return f"{days[0]}" if days[0] == days[-1] else f"{days[0]}..{days[-1]}"
