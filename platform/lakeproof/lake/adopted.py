"""Files that another engine wrote to a run's own folder become its stage: moved beside the table's, and looked at."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import PyArrowFileIO, schema_to_pyarrow

from lakeproof.cost.meter import count
from lakeproof.errors import LakeError, RowsError
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import key_of, list_files, records_of
from lakeproof.lake.parquet import Written
from lakeproof.lake.stage import Staged, StagedFile
from lakeproof.lake.stage_writer import StageWriter, data_file, location_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.days import Day

FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True)
class WrittenFile:
    """A file as the engine that wrote it tells of it.

    Args:
        location: Where it is.
        day: The day that its rows are of.
        bytes: Its size.
        sha256: The digest of its bytes.
    """

    location: str
    day: Day
    bytes: int
    sha256: str


def folder_of(table: IcebergTable, run: str) -> str:
    """Return the folder in which another engine writes a run's files."""
    return f"{records_of(table)}/staging/{run}/rows"


def adopt(
    table: IcebergTable, contract: Table, run: str, files: Sequence[WrittenFile], days: Collection[Day]
) -> Staged:
    """Make a stage of the files that another engine wrote; a day without any gets one without rows.

    Args:
        table: The Iceberg table.
        contract: Its contract.
        run: The run's id.
        files: The files, as that engine tells of them.
        days: The days of the run.

    Raises:
        RowsError: Rows are of other days, or columns are not the table's.
        LakeError: What lies in the folder is not what was told of, or the storage refused.
    """
    # What begins with a dot or an underscore is the engine's own.
    listed = (file for file in list_files(table.io, folder_of(table, run)) if not file.name.startswith((".", "_")))
    found = {key_of(file.location): file.bytes for file in listed}
    if found != {key_of(file.location): file.bytes for file in files}:
        msg = f"{contract.name}: the {len(found)} files of run {run} are not the {len(files)} that its job told of."
        raise LakeError(msg, next_step="find out what else writes there, then run the days again")
    if outside := sorted({str(file.day) for file in files if file.day not in days}):
        msg = f"{contract.name}: the job made rows of {', '.join(outside[:3])}, which the run is not about."
        raise RowsError(msg, next_step=f"return only rows whose {contract.partition} is a day of the window")
    staged: dict[Day, list[StagedFile]] = {day: [] for day in days}
    moved: list[str] = []
    empty = StageWriter(table, contract, run, first_file=len(files))
    try:
        with lake_faults(f"taking over the files of run {run}"):
            for number, file in enumerate(files):
                location = location_of(table, contract, file.day, run, number)
                moved.append(location)  # before it is there: in a bucket a move may end half-way
                _move(table, file.location, location)
                with table.io.new_input(location).open() as stream:
                    metadata = pq.read_metadata(stream)
                _demand_columns(table, contract, metadata.schema.to_arrow_schema())
                written = Written(location, file.bytes, file.sha256, metadata)
                count(written=file.bytes)
                staged[file.day].append(StagedFile(data_file(table, contract, file.day, written), file.sha256))
        rest = empty.close([day for day, of_day in staged.items() if not of_day])
    except BaseException:
        empty.discard()
        for location in moved:
            with suppress(OSError):
                table.io.delete(location)
        raise
    whole = {day: tuple(of_day) or rest.files[day] for day, of_day in staged.items()}
    return Staged(contract, columns_of(table), run, whole)


def remove_folder(table: IcebergTable, run: str) -> None:
    """Remove what is left in the folder of a run, as far as the storage lets: the run is over."""
    folder = f"{records_of(table)}/staging/{run}"
    assert isinstance(table.io, PyArrowFileIO)  # noqa: S101 - what PyIceberg gives for local files and buckets alike
    scheme, netloc, path = PyArrowFileIO.parse_location(folder)
    with suppress(OSError):
        table.io.fs_by_scheme(scheme, netloc).delete_dir(path)


def _move(table: IcebergTable, source: str, target: str) -> None:
    """Move a file within its storage: in a bucket that is a copy on the other side, and no byte comes here."""
    assert isinstance(table.io, PyArrowFileIO)  # noqa: S101 - as above
    scheme, netloc, path = PyArrowFileIO.parse_location(target)
    if scheme == "file":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    table.io.fs_by_scheme(scheme, netloc).move(PyArrowFileIO.parse_location(source)[2], path)


def _demand_columns(table: IcebergTable, contract: Table, made: pa.Schema) -> None:
    """Refuse a file whose columns are not the table's, by field id and type."""
    wanted = {
        field.metadata[FIELD_ID]: _plain(field) for field in schema_to_pyarrow(table.schema(), include_field_ids=True)
    }
    found = {(field.metadata or {}).get(FIELD_ID): _plain(field) for field in made}
    if wanted != found:
        differing = {*wanted.items()} ^ {*found.items()}
        named = ", ".join(sorted({f"{name} {kind}" for _, (name, kind) in differing}))
        msg = f"{contract.name}: the job wrote columns that are not the table's, by name, type or field id: {named}."
        raise RowsError(msg, next_step="let lakeproof_job.run write the rows")


def _plain(field: pa.Field) -> tuple[str, str]:
    """Return a column's name and type; how long a text may be is a matter of memory, not of files."""
    return field.name, str(field.type).removeprefix("large_")
