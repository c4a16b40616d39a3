"""What lies under a table's location, listed a folder at a time, on a disk and in a bucket alike."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pyarrow.fs import FileSelector, FileType
from pyiceberg.io.pyarrow import PyArrowFileIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.io import FileIO
    from pyiceberg.table import Table as IcebergTable

RUN = re.compile(r"\d{8}T\d{12}-[0-9a-f]{8}")
"""What a run's id looks like: the instant it began, in UTC, and a random end."""

RECORDS_KEY = "lakeproof.records"
"""Property of a catalog: the folder for what Lakeproof keeps of all tables, where a warehouse takes Iceberg's own files
only, as managed table buckets do. Property of a table: the folder that is its own."""

_SCHEME = re.compile(r"^[A-Za-z][\w+.-]*:(//(?=/|\w))?")
_RUN_IN_NAME = re.compile(rf"/({RUN.pattern})[-./]")


@dataclass(frozen=True)
class StoredFile:
    """A file as its storage lists it.

    Args:
        location: Where it is, as Iceberg names it.
        bytes: Its size.
        modified: When it was last written.
    """

    location: str
    bytes: int
    modified: datetime

    @property
    def name(self) -> str:
        """Its name, without the folder."""
        return self.location.rpartition("/")[2]


def records_of(table: IcebergTable) -> str:
    """Return the folder of a table's evidence and ledgers: beside its data, or where its property says."""
    return table.properties.get(RECORDS_KEY, table.location())


def list_files(io: FileIO, folder: str) -> Iterator[StoredFile]:
    """Yield every file under a folder, a folder at a time; none when it is not there.

    Links are not followed: what lies behind one is not the table's.
    """
    assert isinstance(io, PyArrowFileIO)  # noqa: S101 - what PyIceberg gives for local files and buckets alike
    scheme, netloc, path = PyArrowFileIO.parse_location(folder)
    if scheme == "file":
        yield from _list_local(Path(path), folder)
        return
    for info in io.fs_by_scheme(scheme, netloc).get_file_info(FileSelector(path, allow_not_found=True)):
        location = f"{folder}/{info.base_name}"
        if info.type == FileType.Directory:
            yield from list_files(io, location)
        elif info.type == FileType.File:
            yield StoredFile(location, info.size, info.mtime)


def _list_local(path: Path, folder: str) -> Iterator[StoredFile]:
    if path.is_symlink() or not path.is_dir():
        return
    waiting = [(str(path), folder)]
    while waiting:
        where, named = waiting.pop()
        with suppress(FileNotFoundError), os.scandir(where) as entries:
            for entry in entries:
                location = f"{named}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, location))
                elif entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):  # its run removed it meanwhile
                        stat = entry.stat(follow_symlinks=False)
                        modified = datetime.fromtimestamp(stat.st_mtime, UTC)
                        yield StoredFile(location, stat.st_size, modified)


def read_file(io: FileIO, location: str) -> bytes | None:
    """Return a file's bytes, or None when it is not there."""
    try:
        with io.new_input(location).open() as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def key_of(location: str) -> str:
    """Return what tells a file apart, however its location is spelled: `file:/x`, `file:///x` and `/x` are one file."""
    return _SCHEME.sub("", location)


def run_of(location: str) -> str | None:
    """Return the run that a file carries in its name, or whose folder it lies in; None when there is none."""
    match = _RUN_IN_NAME.search(location)
    return match[1] if match else None


def run_began(run: str) -> datetime:
    """Return when a run began, from its id."""
    return datetime.strptime(run[:21], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
