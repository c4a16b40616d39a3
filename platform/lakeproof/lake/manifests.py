"""What a snapshot's manifests say: which days each may hold, and the live files that it lists."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from pyiceberg.avro.file import AvroFile
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import (
    DEFAULT_READ_VERSION,
    MANIFEST_ENTRY_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestEntry,
    ManifestEntryStatus,
)
from pyiceberg.types import DateType
from pyiceberg.utils.datetime import days_to_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from pyiceberg.io import FileIO
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table.snapshots import Snapshot


@dataclass(frozen=True)
class Listed:
    """A manifest of a snapshot.

    Args:
        manifest: The manifest.
        bounds: The first and last day it has files of; None when it does not say.
    """

    manifest: ManifestFile
    bounds: tuple[date, date] | None

    def may_hold(self, days: Sequence[date]) -> bool:
        """Whether it may have files of one of `days`, which are in order."""
        if self.bounds is None:
            return True
        place = bisect_left(days, self.bounds[0])
        return place < len(days) and days[place] <= self.bounds[1]


def listed_manifests(io: FileIO, snapshot: Snapshot) -> tuple[Listed, ...]:
    """Return a snapshot's manifests; the lists of the last few snapshots are kept, for a list never changes."""
    return _listed(_ManifestList(snapshot.manifest_list, snapshot, io))


@dataclass(frozen=True)
class _ManifestList:
    location: str
    snapshot: Snapshot = field(compare=False)
    io: FileIO = field(compare=False)


@lru_cache(maxsize=16)
def _listed(source: _ManifestList) -> tuple[Listed, ...]:
    return tuple(Listed(manifest, _bounds(manifest)) for manifest in source.snapshot.manifests(source.io))


def _bounds(manifest: ManifestFile) -> tuple[date, date] | None:
    if (
        not manifest.partitions
        or (summary := manifest.partitions[0]).lower_bound is None
        or summary.upper_bound is None
    ):
        return None
    low, high = (int(from_bytes(DateType(), bound)) for bound in (summary.lower_bound, summary.upper_bound))
    return days_to_date(low), days_to_date(high)


def live_files(io: FileIO, manifest: ManifestFile) -> Iterator[DataFile]:
    """Yield what a manifest records of each live file, one at a time.

    PyIceberg's own `fetch_manifest_entry` returns all of them at once: of twenty years of days, so many objects that
    Python's garbage collector takes as long as the reading.
    """
    with AvroFile[ManifestEntry](
        io.new_input(manifest.manifest_path),
        MANIFEST_ENTRY_SCHEMAS[DEFAULT_READ_VERSION],
        read_types={-1: ManifestEntry, 2: DataFile},
        read_enums={0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
    ) as entries:
        for entry in entries:
            if entry.status != ManifestEntryStatus.DELETED:
                entry.data_file.spec_id = manifest.partition_spec_id  # no column of a manifest
                yield entry.data_file
