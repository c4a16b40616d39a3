"""Data files of days that no reader sees: written without any commit, named by their run, remembered by digest."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakeproof.errors import LakeError
from lakeproof.lake.catalog import local_path
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import run_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.days import Day
    from lakeproof.parts import Column


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
        contract: The table's contract.
        columns: The columns by field id that the files were written with.
        run: The run's id, which is in every file's name.
        files: The files of each day; a day without rows has one file without rows.
    """

    contract: Table
    columns: Mapping[int, Column]
    run: str
    files: Mapping[Day, tuple[StagedFile, ...]]

    @property
    def table(self) -> str:
        """The table's name."""
        return self.contract.name

    @property
    def days(self) -> tuple[Day, ...]:
        """The staged days, in order."""
        return tuple(self.files)

    def paths(self, *days: Day) -> tuple[str, ...]:
        """Return the files of days as other libraries take them."""
        return tuple(local_path(file.location) for day in days for file in self.files[day])

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
        wanted = frozenset(days)
        return replace(self, files={day: files for day, files in self.files.items() if day in wanted})


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

    Only files that the run wrote itself: those of a day that it found unchanged are another run's.

    Args:
        table: The Iceberg table.
        staged: The days to remove.
        keep: Files that readers have, which are never removed, whatever a run believes of them.
    """
    for files in staged.files.values():
        for file in files:
            if file.location not in keep and run_of(file.location) == staged.run:
                with suppress(OSError):
                    table.io.delete(file.location)


@contextmanager
def discarded_on_failure(table: IcebergTable, staged: Staged) -> Iterator[None]:
    """Remove a stage when the block fails, which ends before anything of it is published or held."""
    try:
        yield
    except BaseException:
        discard(table, staged, keep=())
        raise
