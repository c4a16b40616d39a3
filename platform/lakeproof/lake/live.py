"""What readers of a table see: which days are published, in which files, by which run."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyiceberg.manifest import ManifestContent

from lakeproof.errors import LakeError
from lakeproof.lake.catalog import local_path
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import RUN
from lakeproof.lake.manifests import listed_manifests, live_files
from lakeproof.lake.output import OutputTable
from lakeproof.lake.replace import day_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.parts import Column

RUN_IN_NAME = re.compile(rf"/({RUN.pattern})-\d{{5}}\.parquet$")


def run_of(location: str) -> str | None:
    """Return the run that wrote a data file, from the file's name; None when another engine did."""
    return match[1] if (match := RUN_IN_NAME.search(location)) else None


@dataclass(frozen=True)
class LiveDay:
    """A published day.

    Args:
        day: The day; None for the whole of an unpartitioned table.
        locations: Where its data files are, as Iceberg names them.
        rows: How many rows they hold; 0 is a published day without rows.
        bytes: Their size.
    """

    day: Day
    locations: tuple[str, ...]
    rows: int
    bytes: int

    @property
    def paths(self) -> tuple[str, ...]:
        """The data files, as other libraries take them."""
        return tuple(local_path(location) for location in self.locations)

    @property
    def run(self) -> str | None:
        """The run that published the day, from its files' names; None when another engine wrote it."""
        runs = {run_of(location) for location in self.locations}
        return runs.pop() if len(runs) == 1 else None


@dataclass(frozen=True)
class View:
    """One snapshot of a table's `main`: everything read through it is of one instant.

    Args:
        table: The Iceberg table; None when it has never been staged.
        snapshot: The snapshot's id; None when nothing was ever published.
        days: The published days, of those that were asked for.
    """

    table: IcebergTable | None
    snapshot: int | None
    days: dict[Day, LiveDay] = field(default_factory=dict)

    @classmethod
    def open(cls, lake: Lake, contract: Table, days: Collection[Day] | None = None) -> View:
        """Read which days are published.

        Args:
            lake: The lake.
            contract: The table.
            days: Only these; None for all.
        """
        table = lake.load(contract)
        return cls(None, None) if table is None else cls.of(table, days)

    @classmethod
    def of(cls, table: IcebergTable, days: Collection[Day] | None = None) -> View:
        """Read which days of a loaded table are published."""
        head = table.current_snapshot()
        if head is None:
            return cls(table, None)
        with lake_faults(f"reading what is published of {'.'.join(table.name())}"):
            return cls(table, head.snapshot_id, live_days(data_files(table, days)))


def data_files(table: IcebergTable, days: Collection[Day] | None) -> Iterator[tuple[Day, DataFile]]:
    """Yield the files of published days, as Iceberg records them, each after its day.

    Args:
        table: The Iceberg table.
        days: Only these; None for all.

    Raises:
        LakeError: Another engine left row-level deletes in the table.
    """
    if not isinstance(table, OutputTable):
        yield from files_at(table.io, table.current_snapshot(), days)
        return
    own = set(table.owned) if days is None else table.owned.keys() & days
    if own:
        yield from files_at(table.io, table.head, own)
    others = None if days is None else {day for day in days if day not in own}
    if others is None or others:
        found = files_at(table.io, table.main.current_snapshot(), others)
        yield from ((day, file) for day, file in found if day not in own)


def files_at(io: FileIO, snapshot: Snapshot | None, days: Collection[Day] | None) -> Iterator[tuple[Day, DataFile]]:
    """Yield the files that one snapshot has for days, each after its day.

    Args:
        io: The table's file IO.
        snapshot: The snapshot; None has no files.
        days: Only these; None for all.

    Raises:
        LakeError: Another engine left row-level deletes in the table.
    """
    wanted = sorted(day for day in days or () if day is not None)
    for listed in listed_manifests(io, snapshot) if snapshot else ():
        if listed.manifest.content != ManifestContent.DATA:
            msg = (
                f"{listed.manifest.manifest_path} has row-level deletes of another engine: files do not tell its days."
            )
            raise LakeError(msg, next_step="compact the table with that engine")
        if days is None or None in days or listed.may_hold(wanted):
            for file in live_files(io, listed.manifest):
                day = day_of(file)
                if days is None or day in days:
                    yield day, file


def null_counts(columns: Mapping[int, Column], files: Iterable[DataFile]) -> dict[str, int]:
    """Return how many nulls columns have in files, as Iceberg counts them; not of columns that it counts for no file.

    Args:
        columns: The columns by field id.
        files: The files, as Iceberg records them.
    """
    counted: Counter[int] = Counter()
    for file in files:
        counted.update(file.null_value_counts or {})
    return {columns[number].name: count for number, count in counted.items() if number in columns}


def live_days(files: Iterable[tuple[Day, DataFile]]) -> dict[Day, LiveDay]:
    """Return published days, in order, from what Iceberg records of their files."""
    found: dict[Day, list[tuple[str, int, int]]] = defaultdict(list)
    for day, file in files:
        found[day].append((file.file_path, file.record_count, file.file_size_in_bytes))
    days = {}
    for day in sorted(found, key=str):
        of_day = sorted(found[day])
        days[day] = LiveDay(day, tuple(f[0] for f in of_day), sum(f[1] for f in of_day), sum(f[2] for f in of_day))
    return days
